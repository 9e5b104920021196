"""Shards made again from provenance: equal, different, failing, and in a bundle away from home."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from osf_pipeline.cli.main import app
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest import plan
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.replay import origin, pack, parse, replay, unpack
from osf_pipeline.store.version import current

SHOT = "disc"


@pytest.fixture
def layout(tmp_path: Path, figure, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setattr(plan, "SHARD_FRAMES", 2)
    root = tmp_path / "root"
    figure.sequence(root / "renders" / SHOT, range(1, 7))
    (root / "renders" / SHOT / "shot.yaml").write_text("camera: {scale: 2}\n")
    return Layout.of(str(root))


def spoil(layout: Layout, figure, frame: int) -> None:
    figure.write(Path(layout.renders(SHOT)) / f"shot.{frame:04d}.exr", frame, A=figure.channels(frame)["A"] * 7)


def test_every_shard_is_made_again_bit_for_bit(layout: Layout) -> None:
    for stage, kind in ((ingest_shot, "gbuffer"), (guide_shot, "guidance")):
        stage(layout, SHOT)
        source = origin(layout, SHOT, kind)
        assert [r.equal for r in replay(source, source.indices())] == [True] * 3
        (one,) = replay(source, source.indices(frame=4))
        assert (one.index, one.frames) == (1, (3, 4))
        assert "arrays bit for bit" in str(one)


def test_a_changed_store_and_a_changed_source_are_both_told(layout: Layout, figure) -> None:
    ingest_shot(layout, SHOT)
    source = origin(layout, SHOT, "gbuffer")
    red = figure.channels(4)["R"] * np.float16(2)
    figure.write(Path(layout.renders(SHOT)) / "shot.0004.exr", 4, R=red)
    (other,) = replay(source, [1])
    (difference,) = other.differences
    assert (difference.array, difference.frame) == ("color", 4)
    assert difference.values == (red != 0).sum()
    assert difference.largest == pytest.approx(float(figure.channels(4)["R"].max()), rel=1e-3)
    result = CliRunner().invoke(app, ["replay", f"{SHOT}/gbuffer", "--root", layout.root])
    assert result.exit_code == 3
    assert "first in frame 4" in result.output


def test_a_failing_shard_is_taken_home(layout: Layout, figure, tmp_path: Path) -> None:
    spoil(layout, figure, 5)
    with pytest.raises(InputDataError):
        ingest_shot(layout, SHOT)
    with pytest.raises(RequestError, match="--last"):
        origin(layout, SHOT, "gbuffer")
    bundle = tmp_path / "bad.zip"
    command = ["replay", f"{SHOT}/gbuffer", "--last", "--frame", "5", "--bundle", str(bundle), "--root", layout.root]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 3
    assert "alpha runs from 0 to 7" in result.output
    with zipfile.ZipFile(bundle) as packed:
        assert layout.root not in packed.read("bundle.json").decode()
    shutil.rmtree(layout.root)
    again = CliRunner().invoke(app, ["replay", str(bundle)])
    assert again.exit_code == 3
    assert "alpha runs from 0 to 7" in again.output


@pytest.mark.parametrize("kind", ["gbuffer", "guidance"])
def test_a_bundle_replays_without_the_root(layout: Layout, tmp_path: Path, kind: str) -> None:
    ingest_shot(layout, SHOT)
    guide_shot(layout, SHOT)
    bundle = tmp_path / "one.zip"
    pack(origin(layout, SHOT, kind), 1, bundle)
    shutil.rmtree(layout.root)
    (tmp_path / "elsewhere").mkdir()
    source, index = unpack(bundle, tmp_path / "elsewhere")
    (result,) = replay(source, [index])
    assert result.equal, str(result)
    assert result.arrays > 0


def test_a_bundle_holds_the_colour_configuration(layout: Layout, tmp_path: Path) -> None:
    library = pytest.importorskip("PyOpenColorIO")
    config = tmp_path / "show.ocio"
    config.write_text(library.Config.CreateFromBuiltinConfig("cg-config-v2.1.0_aces-v1.3_ocio-v2.3").serialize())
    settings = Path(layout.renders(SHOT)) / "shot.yaml"
    settings.write_text(f"camera: {{scale: 2}}\nocio: {config}\ncolor_space: sRGB - Texture\n")
    ingest_shot(layout, SHOT)
    bundle = tmp_path / "one.zip"
    pack(origin(layout, SHOT, "gbuffer"), 1, bundle)
    shutil.rmtree(layout.root)
    config.unlink()
    (tmp_path / "elsewhere").mkdir()
    source, index = unpack(bundle, tmp_path / "elsewhere")
    (result,) = replay(source, [index])
    assert result.equal, str(result)


def test_what_cannot_be_replayed_is_refused(layout: Layout, tmp_path: Path) -> None:
    ingest_shot(layout, SHOT)
    with pytest.raises(RequestError, match="shards 0-2, frames 1-6"):
        origin(layout, SHOT, "gbuffer").indices(frame=99)
    with pytest.raises(RequestError, match="SHOT/KIND"):
        parse("gbuffer")
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(InputDataError, match="no bundle"):
        unpack(tmp_path / "no.zip", tmp_path)
    version = current(layout.store(SHOT, "gbuffer"))
    assert version is not None
    assert parse(f"{SHOT}/gbuffer/{version.id}") == (SHOT, "gbuffer", version.id)
