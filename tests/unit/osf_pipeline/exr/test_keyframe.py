"""A keyframe is a file of the style, or a frame of a shot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from osf_pipeline.config import Exemplar
from osf_pipeline.errors import RequestError
from osf_pipeline.exr.keyframe import read_keyframe


@pytest.fixture
def style(tmp_path: Path, figure: Any) -> str:
    """A style beside a shot of two frames whose depth is stored in centimetres under a name of its own."""
    renders = tmp_path / "renders" / "walk"
    renders.mkdir(parents=True)
    for frame in (7, 8):
        depth = 100 * figure.channels(frame)["depth.Z"]
        figure.write(renders / f"walk.{frame:04d}.exr", frame, depth__Z=None, distance=depth)
    shot = {"source": "walk.####.exr", "channels": {"depth": ["distance"]}, "scale": {"depth": [0.01]}}
    (renders / "shot.yaml").write_text(yaml.safe_dump(shot))
    (tmp_path / "styles" / "ink").mkdir(parents=True)
    figure.write(tmp_path / "styles" / "ink" / "key.exr", 8)
    return str(tmp_path / "styles" / "ink")


def test_a_frame_of_a_shot_is_read_as_its_shot_is(style: str) -> None:
    own = read_keyframe(Exemplar(keyframe="key.exr", drawing="d.png"), style)
    shots = read_keyframe(Exemplar(keyframe="walk@8", drawing="d.png"), style)
    assert own.keys() == shots.keys()
    for name in own:
        np.testing.assert_allclose(shots[name], own[name], rtol=1e-6, err_msg=name)
    assert (read_keyframe(Exemplar(keyframe="walk@7", drawing="d.png"), style)["part_id"] != own["part_id"]).any()


def test_a_frame_the_shot_does_not_have_is_refused(style: str) -> None:
    with pytest.raises(RequestError, match=r"no such frame.*7-8"):
        read_keyframe(Exemplar(keyframe="walk@9", drawing="d.png"), style)
    with pytest.raises(RequestError, match=r"unknown shot.*walk"):
        read_keyframe(Exemplar(keyframe="run@7", drawing="d.png"), style)


def test_the_shot_alone_says_how_its_frames_are_read() -> None:
    with pytest.raises(ValidationError, match=r"leave out alpha"):
        Exemplar(keyframe="walk@8", drawing="d.png", alpha="straight")
    assert Exemplar(keyframe="walk@-2", drawing="d.png").shot_frame == ("walk", -2)
    for file in ("walk@8.exr", "shots/walk@8", "key.exr"):
        assert Exemplar(keyframe=file, drawing="d.png", alpha="straight").shot_frame is None
