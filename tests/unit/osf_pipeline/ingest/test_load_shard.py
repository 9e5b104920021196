from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.config import Camera, ShotConfig
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.ingest.frames import LoadedShard, Shot, load_shard
from osf_pipeline.validate.preflight import preflight


def load(folder: Path | str, only: list[int] | None = None, threads: int = 2, **settings: object) -> LoadedShard:
    config = ShotConfig.model_validate(settings)
    sequence = find_sequence(str(folder), config.source, config.frames)
    report = preflight(config, sequence)
    assert report.mapping is not None
    assert report.window is not None
    urls = {frame: url for frame, url in sequence.urls.items() if only is None or frame in only}
    shot = Shot(config, report.mapping, report.window, sequence.frames)
    with ThreadPoolExecutor(threads) as pool:
        return load_shard(shot, urls, pool=pool)


def valid(shard: LoadedShard, name: str = "motion_valid") -> list[bool]:
    return [bool(frame.any()) for frame in shard.buffers[name]]


def test_arrays_of_a_shard(tmp_path: Path, figure) -> None:
    shard = load(figure.sequence(tmp_path))
    assert shard.findings == ()
    for name, values in shard.buffers.items():
        assert values.shape == (4, GBUFFER[name].count, 96, 128)
        assert values.dtype == GBUFFER[name].dtype
    for index, record in enumerate(shard.records):
        stored = figure.channels(index + 1)
        np.testing.assert_array_equal(shard.buffers["color"][index, 0], stored["R"])
        np.testing.assert_array_equal(shard.buffers["depth"][index, 0], stored["depth.Z"])
        np.testing.assert_array_equal(shard.buffers["part_id"][index, 0], stored["part_id.I"])
        assert (record.frame, record.status, record.findings) == (index + 1, "ok", ())
        assert record.data_window == (0, 0, 127, 95)
        assert record.sha256 == hashlib.sha256(Path(record.file).read_bytes()).hexdigest()


def test_each_file_is_decoded_once(tmp_path: Path, figure, monkeypatch: pytest.MonkeyPatch) -> None:
    import OpenEXR

    opened = []
    original = OpenEXR.File

    def counting(*args, **kwargs):
        opened.append(args)
        return original(*args, **kwargs)

    folder = figure.sequence(tmp_path)
    monkeypatch.setattr(OpenEXR, "File", counting)
    load(folder)
    assert len(opened) == 4


def test_threads_do_not_change_a_byte(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    one, four = load(folder, threads=1), load(folder, threads=4)
    assert one.records == four.records
    for name, values in one.buffers.items():
        assert values.tobytes() == four.buffers[name].tobytes()


def test_moving_crops_land_in_one_window(tmp_path: Path, figure) -> None:
    whole, crop = tmp_path / "whole", tmp_path / "crop"
    figure.sequence(whole)
    for frame in range(1, 5):
        x, y = (int(c + frame * v) for c, v in zip(figure.centre, figure.velocity, strict=True))
        window = (x - 32, y - 32, x + 32, y + 32)
        figure.write(crop / f"shot.{frame:04d}.exr", frame, data_window=window)
    found, expected = load(crop), load(whole)
    x0, y0 = (int(figure.centre[0] + figure.velocity[0]) - 32, int(figure.centre[1] + 4 * figure.velocity[1]) - 32)
    for name, values in found.buffers.items():
        height, width = values.shape[2:]
        np.testing.assert_array_equal(values, expected.buffers[name][:, :, y0 : y0 + height, x0 : x0 + width])


def test_motion_is_valid_on_the_figure_between_neighbours(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    shard = load(folder)
    assert valid(shard) == [False, True, True, True]
    assert valid(shard, "motion_next_valid") == [True, True, True, False]
    seen = figure.channels(2)["A"] > 0
    np.testing.assert_array_equal(shard.buffers["motion_valid"][1, 0], seen)
    # A shard in the middle of a shot has neighbours outside.
    assert valid(load(folder, only=[2, 3])) == [True, True]


def test_nothing_crosses_a_cut_or_a_gap(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path, range(1, 7))
    cut = load(folder, cuts=(3,))
    assert valid(cut) == [False, True, False, True, True, True]
    assert valid(cut, "motion_next_valid") == [True, False, True, True, True, False]
    gap = load(folder, frames="1-2,4-6")
    assert valid(gap) == [False, True, False, True, True]
    assert valid(gap, "motion_next_valid") == [True, False, True, True, False]


def test_what_a_source_calls_invalid_stays_so(tmp_path: Path, figure) -> None:
    for frame in (1, 2, 3):
        mark = (np.arange(128) < 64).astype(np.float32) * np.ones((96, 1), np.float32)
        figure.write(tmp_path / f"a.{frame}.exr", frame, motion_valid__V=mark)
    shard = load(tmp_path)
    assert valid(shard) == [False, True, True]
    assert not shard.buffers["motion_valid"][:, :, :, 64:].any()
    assert shard.buffers["motion_next_valid"][1, 0, :, 64:].any()


def test_a_broken_frame_is_quarantined_and_motion_stays_away_from_it(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path, range(1, 6))
    red = figure.channels(3)["R"].copy()
    red[50, 60] = np.nan
    figure.write(tmp_path / "shot.0003.exr", 3, R=red)
    shard = load(folder)
    assert [r.status for r in shard.records] == ["ok", "ok", "quarantined", "ok", "ok"]
    assert [f.rule for f in shard.records[2].findings] == ["non_finite"]
    assert shard.records[2].sha256
    assert not shard.buffers["color"][2].any()
    assert np.isposinf(shard.buffers["depth"][2]).all()
    assert valid(shard) == [False, True, False, False, True]
    assert valid(shard, "motion_next_valid") == [True, False, False, True, False]


def test_damage_that_only_the_decoder_sees(tmp_path: Path, figure) -> None:
    folder = figure.sequence(tmp_path)
    path = tmp_path / "shot.0002.exr"
    data = bytearray(path.read_bytes())
    data[-400:-300] = b"\xff" * 100
    path.write_bytes(data)
    shard = load(folder)
    assert shard.records[1].status == "quarantined"
    assert (shard.records[1].findings[0].rule, shard.records[1].findings[0].frame) == ("pixels", 2)


def test_wrong_motion_is_found_in_the_shard_and_its_cure_works(tmp_path: Path, figure) -> None:
    for frame in range(1, 5):
        figure.write(tmp_path / f"a.{frame}.exr", frame, motion__Y=-figure.channels(frame)["motion.Y"])
    records = load(tmp_path).records
    assert [r.status for r in records] == ["ok", "quarantined", "quarantined", "quarantined"]
    (finding,) = records[1].findings
    assert (finding.severity, finding.channel, finding.frame) == ("error", "motion", 2)
    assert "scale: {motion: [1, -1]}" in finding.fix
    mended = load(tmp_path, scale={"motion": (1, -1)})
    assert {r.status for r in mended.records} == {"ok"}


def test_motion_to_the_next_frame_is_the_earlier_frames_fault(tmp_path: Path, figure) -> None:
    for frame in range(1, 5):
        wrong = {"motion_next__X": -figure.channels(frame)["motion_next.X"]} if frame == 2 else {}
        figure.write(tmp_path / f"a.{frame}.exr", frame, **wrong)
    shard = load(tmp_path)
    assert [r.status for r in shard.records] == ["ok", "quarantined", "ok", "ok"]
    assert valid(shard) == [False, False, False, True]


def test_a_shard_of_one_frame_says_that_it_proves_nothing(tmp_path: Path, figure) -> None:
    (finding,) = load(figure.sequence(tmp_path), only=[2]).findings
    assert (finding.rule, finding.severity) == ("motion", "note")


@pytest.mark.data
@pytest.mark.parametrize("shot", ["char1_zombie", "char3_dab"])
def test_real_sequences(shared_data: Path, shot: str) -> None:
    camera = Camera(scale=2, right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0))
    box = ((-0.66, -0.24, -0.71), (0.66, 0.24, 0.64))
    shard = load(shared_data / "renders" / shot, [9, 10, 11, 12], camera=camera, rest_box=box)
    assert shard.findings == ()
    assert {r.status for r in shard.records} == {"ok"}
    normal, seen = shard.buffers["normal"].astype(np.float32), shard.buffers["part_id"][:, 0] > 0
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1)[seen], 1, atol=2e-3)
    assert (normal[:, 2][seen] > -0.1).mean() > 0.99
    assert set(np.unique(shard.buffers["part_id"])) <= set(range(11))
    assert valid(shard) == valid(shard, "motion_next_valid") == [True] * 4
