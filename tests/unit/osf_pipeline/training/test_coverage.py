"""Which views stand for which, and which frame to draw next."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from osf_pipeline.cli.main import app
from osf_pipeline.training.coverage import OCTAVES, REACH, TILT, Views, choose, covered, pixel_size

SIDE = 40


def view(left: float = 0, *, step: float = 0.02, tilt: float = 0, width: int = SIDE, thing: int = 1) -> Views:
    """A wall seen in the left `width` columns, from rest x = `left` on, `step` scene units a pixel, tilted about y."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    on = x < width
    rest = np.stack([left + step * x / np.cos(tilt), -step * y, 0 * x])
    normal = np.stack([np.sin(tilt) + 0 * x, 0 * x, np.cos(tilt) + 0 * x])
    ids = (thing * on)[None].astype(np.uint16)
    return Views.of({"rest_position": rest, "normal": normal, "object_id": ids}, on, size=1.0)


def test_a_frame_that_was_drawn_lacks_nothing() -> None:
    assert covered(view(), [view()]) == 1
    assert choose(view(), [view(), view()], 3) == []


def test_without_a_drawing_everything_is_missing() -> None:
    assert covered(None, [view()]) == 0
    (pick,) = choose(None, [view(), view()], 3)
    assert (pick.index, pick.before, pick.after) == (0, 0, 1)


def test_the_pixel_is_measured_whatever_the_tilt() -> None:
    for tilt in (0, 1.0):
        y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
        rest = np.stack([0.02 * x / np.cos(tilt), -0.02 * y, 0 * x])
        assert pixel_size(rest, x >= 0) == pytest.approx(0.02, rel=1e-4)


@pytest.mark.parametrize(
    ("other", "known"),
    [
        (view(0.9 * REACH), 1), (view(5), 0),
        (view(tilt=0.9 * TILT), 1), (view(tilt=1.2 * TILT), 0),
        (view(step=0.02 * 2 ** (0.9 * OCTAVES)), 1), (view(step=0.02 / 2 ** (1.2 * OCTAVES)), 0),
    ],
)  # fmt: skip
def test_a_view_stands_for_those_near_it_in_place_tilt_and_scale(other: Views, known: float) -> None:
    # Of what is larger than the drawn wall only that counts which lies on it.
    inside = (other.places[:, :2] * REACH >= (-1e-6, -0.8)).all(1) & (other.places[:, 0] * REACH <= 0.8)
    some = Views(other.places[inside | (known == 0)], other.pixels[inside | (known == 0)], 1)
    assert covered(view(), [some]) == pytest.approx(known, abs=0.02)


def test_the_frame_that_shows_most_for_longest_comes_first() -> None:
    """A narrow strip that stays for five frames outweighs a wide one that flashes by; then the wide one is next."""
    narrow, wide = view(3, width=15), view(7, width=40)
    shot = [view(), wide, narrow, narrow, narrow, narrow, narrow]
    first, second = choose(view(), shot, 5)
    total = SIDE * (40 + 40 + 5 * 15)
    assert (first.index, second.index) == (2, 1)
    assert (first.before, first.after, second.after) == pytest.approx(
        (SIDE * 40 / total, SIDE * (40 + 75) / total, 1.0), abs=1e-6
    )


def test_fewer_points_weigh_as_much() -> None:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    buffers = {"rest_position": np.stack([x, y, 0 * x]), "normal": np.stack([0 * x, 0 * x, 1 + 0 * x]),
               "object_id": np.ones((1, SIDE, SIDE), np.uint16)}  # fmt: skip
    some = Views.of(buffers, x >= 0, 1.0, most=100)
    assert len(some.places) == 100
    assert some.weight * len(some.places) == SIDE**2


def test_the_verb_names_frames_and_pictures_what_is_missing(tmp_path: Path) -> None:
    """The drawing shows the left half of a disc in its first frame; the disc moves, and is the same in every frame."""
    shutil.copytree(Path(__file__).parents[3] / "data" / "stores" / "schema-1", tmp_path / "root")
    style = tmp_path / "root" / "styles" / "ink"
    style.mkdir(parents=True)
    renders = tmp_path / "root" / "renders" / "full"
    said = yaml.safe_load((renders / "shot.yaml").read_text())
    (renders / "shot.yaml").write_text(yaml.safe_dump(said | {"styles": {"*": "ink"}}))

    def run(mask: np.ndarray) -> tuple[str, dict[str, Any]]:
        Image.fromarray((255 * mask).astype(np.uint8)).save(style / "mask.png")
        entry = {"keyframe": "full@1001", "drawing": "none.png", "mask": "mask.png"}
        (style / "style.yaml").write_text(yaml.safe_dump({"exemplars": [entry]}))
        report = tmp_path / "report.json"
        done = CliRunner().invoke(app, ["hint", "full", "--root", str(tmp_path / "root"), "--report", str(report)])
        assert done.exit_code == 0, done.output
        return done.output, json.loads(report.read_text())["results"][0]

    from osf_pipeline.config import Exemplar
    from osf_pipeline.exr.keyframe import read_keyframe

    seen = read_keyframe(Exemplar(keyframe="full@1001", drawing="d.png"), str(style))["object_id"][0] > 0
    columns = np.flatnonzero(seen.any(axis=0))
    left = seen & (np.arange(seen.shape[1]) < columns.mean())
    _, whole = run(seen)
    text, half = run(left)
    assert whole["covered"] > 0.95
    assert 0.3 < half["covered"] < whole["covered"] - 0.2
    first = half["frames"][0]
    assert f"draw full@{first['frame']}:" in text
    assert first["before"] == pytest.approx(half["covered"])
    assert first["after"] > 0.95
    picture = np.asarray(Image.open(half["picture"]).convert("RGB")).astype(int)
    magenta = (picture[..., 0] - picture[..., 1] > 60) & (picture[..., 2] - picture[..., 1] > 60)
    assert 0.1 < magenta[:, : seen.shape[1]].sum() / seen.sum() < 0.75

    unknown = CliRunner().invoke(app, ["hint", "full", "--root", str(tmp_path / "root"), "--style", "oil"])
    assert unknown.exit_code == 2
    assert "Styles: ink" in unknown.output
