from __future__ import annotations

from pathlib import Path

import numpy as np
import pandera.errors
import pytest

from osf_pipeline.buffers import Tier
from osf_pipeline.config import Camera, ShotConfig
from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.exr.write import write_exr
from osf_pipeline.validate.catalogue import group_of
from osf_pipeline.validate.findings import Finding, refuse
from osf_pipeline.validate.preflight import Report, preflight
from osf_pipeline.validate.schema import FINDINGS, MANIFEST, findings_table


def check(folder: Path | str, **settings: object) -> Report:
    config = ShotConfig.model_validate(settings)
    return preflight(config, find_sequence(str(folder), config.source, config.frames))


def errors(report: Report) -> list[tuple[str, int | None]]:
    return [(f.rule, f.frame) for f in report.findings if f.severity == "error"]


def test_a_sound_shot(tmp_path: Path, figure) -> None:
    report = check(figure.sequence(tmp_path))
    assert report.findings == ()
    report.refuse()
    assert report.mapping is not None
    assert report.mapping.tier is Tier.FULL
    assert report.window == report.display_window == (0, 0, 127, 95)
    assert list(report.manifest["frame"]) == [1, 2, 3, 4]
    assert set(report.manifest["status"]) == {"ok"}
    assert "depth.Z" in report.manifest["channels"][0].split(",")


def test_a_gap_is_refused_and_a_listed_gap_is_legal(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    (tmp_path / "shot.0003.exr").unlink()
    report = check(folder)
    assert errors(report) == [("gap", 3)]
    assert report.manifest.set_index("frame")["status"].to_dict() == {1: "ok", 2: "ok", 3: "missing", 4: "ok"}
    assert errors(check(folder, frames="1-2,4")) == []


def test_a_truncated_file_is_refused_among_good_ones(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    path = tmp_path / "shot.0002.exr"
    path.write_bytes(path.read_bytes()[:-10])
    report = check(folder)
    assert errors(report) == [("truncated", 2)]
    (finding,) = report.findings
    assert finding.file == str(path)
    assert finding.fix
    with pytest.raises(InputDataError, match=r"truncated.*frame=2"):
        report.refuse()


def test_no_file_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.0001.exr").write_bytes(b"no picture at all")
    report = check(tmp_path)
    assert errors(report) == [("header", 1)]
    assert report.mapping is None
    assert report.window is None


def test_a_missing_channel_is_refused_and_an_unused_one_may_come_and_go(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    figure.write(tmp_path / "shot.0002.exr", 2, extra__X=np.zeros((96, 128), np.float32))
    assert errors(check(folder)) == []
    figure.write(tmp_path / "shot.0003.exr", 3, part_id__I=None)
    report = check(folder)
    assert errors(report) == [("missing_channel", 3)]
    assert report.findings[0].channel == "part_id.I"


def test_a_changed_type_is_refused(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    figure.write(tmp_path / "shot.0002.exr", 2, R=figure.channels(2)["R"].astype(np.float32))
    report = check(folder)
    assert errors(report) == [("channel_change", 2)]
    assert report.findings[0].value == "float32, but float16 in the first frame"


def test_another_size_is_refused_and_a_moving_crop_is_legal(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    figure.write(tmp_path / "shot.0002.exr", 2, data_window=(20, 10, 100, 90))
    assert errors(check(folder)) == []
    write_exr(str(tmp_path / "shot.0003.exr"), {k: v[:50] for k, v in figure.channels(3).items()})
    assert errors(check(folder)) == [("size_change", 3)]


def test_a_runaway_overscan_is_refused(tmp_path: Path, figure) -> None:
    channels = {k: np.zeros((8, 8), v.dtype) for k, v in figure.channels(1).items()}
    for frame, x in enumerate((0, 16), start=1):
        write_exr(str(tmp_path / f"a.{frame}.exr"), channels, data_window=(x, 0, x + 7, 7), display_window=(0, 0, 7, 7))
    assert errors(check(tmp_path)) == []
    write_exr(str(tmp_path / "a.3.exr"), channels, data_window=(60, 0, 67, 7), display_window=(0, 0, 7, 7))
    assert [rule for rule, _ in errors(check(tmp_path))] == ["window"]


def test_duplicates_and_ambiguity(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    figure.write(tmp_path / "shot.2.exr", 2)
    assert errors(check(folder)) == [("duplicate", 2)]
    assert errors(check(folder, source="shot.####.exr")) == []


def test_unknown_channels_are_listed(tmp_path: Path) -> None:
    write_exr(str(tmp_path / "a.1.exr"), {"luma": np.ones((4, 4), np.float16)})
    (finding,) = check(tmp_path).findings
    assert finding.severity == "error"
    assert "luma" in finding.fix


def test_errors_come_first_and_tables_hold_what_rules_say(tmp_path: Path, figure) -> None:
    for frame in (1, 3, 4):
        figure.write(tmp_path / f"a.{frame}.exr", frame, depth__Z=None)
    report = check(tmp_path)
    assert [f.severity for f in report.findings] == ["error", "warning"]
    assert list(report.table["rule"]) == ["gap", "mapping"]
    assert report.table["frame"].tolist()[0] == 2
    assert findings_table([]).empty


def test_schemas_refuse_nonsense(tmp_path: Path, figure) -> None:
    report = check(figure.sequence(tmp_path))
    for change in ({"sha256": "abc"}, {"status": "fine"}, {"x1": -5}, {"frame": 1}):
        with pytest.raises(pandera.errors.SchemaError):
            MANIFEST.validate(report.manifest.assign(**change))
    table = findings_table([Finding("gap", "error", "a", None, "", "b", "c")])
    with pytest.raises(pandera.errors.SchemaError):
        FINDINGS.validate(table.assign(severity="fatal"))


def test_refuse_counts() -> None:
    refuse([Finding("empty", "warning", "", 1, "", "nothing", "")])
    with pytest.raises(InputDataError, match="errors=2"):
        refuse([Finding("gap", "error", "", n, "", "missing", "render it") for n in (1, 2)])


def test_rules_fall_into_groups() -> None:
    assert {group_of(rule) for rule in ("non_finite", "alpha_range", "unset_ids", "id_range")} == {"pixels"}
    assert {group_of(rule) for rule in ("gap", "truncated", "decode", "mapping")} == {"files"}


@pytest.mark.data
def test_real_sequences_and_lossy_data(shared_data: Path) -> None:
    camera = Camera(scale=2, right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0))
    box = ((-1, -1, -1), (1, 1, 1))
    for shot in ("char1_zombie", "char3_dab"):
        report = check(shared_data / "renders" / shot, camera=camera, rest_box=box)
        assert report.findings == ()
        assert len(report.manifest) == 32
    folder = shared_data / "exr_conformance" / "blender_native" / "blender4.5.15_raw8spp_dwaa"
    lossy = [f for f in check(folder, camera=camera, rest_box=box).findings if f.rule == "lossy"]
    assert any("ViewLayer.Vector.Y" in f.channel for f in lossy)
    assert all(f.severity == "warning" for f in lossy)
