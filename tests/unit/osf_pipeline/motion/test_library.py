"""Motions by name and file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.motion.builtin import NAMES
from osf_pipeline.motion.library import motion, motion_files
from osf_pipeline.motion.names import joint_of

TINY = "HIERARCHY ROOT Hips {{ OFFSET 0 0 0 CHANNELS 1 Yrotation {} }} MOTION Frames: 2 Frame Time: 0.1\n0\n0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    joints = " ".join(f"JOINT j{n} {{ OFFSET {n} {n} 0 }}" for n in range(12))
    (tmp_path / "odd.bvh").write_text(TINY.format(joints))
    (tmp_path / "twice.bvh").write_text(TINY.format(joints))
    (tmp_path / "twice.glb").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_built_in(name: str) -> None:
    assert motion(name).name == name


def test_files_of_a_folder(folder: Path) -> None:
    assert motion_files(str(folder)) == ["odd.bvh", "twice.bvh", "twice.glb"]
    assert motion_files(str(folder / "none")) == []
    for name in ("odd", "odd.bvh"):
        assert motion(name, str(folder)).positions.shape == (2, 13, 3)
    assert motion(str(folder / "odd.bvh")).name == "odd.bvh"
    assert motion("twice.bvh", str(folder)).fps == 10


def test_unknown_and_ambiguous_names(folder: Path) -> None:
    with pytest.raises(RequestError, match="no such motion") as caught:
        motion("moonwalk", str(folder))
    assert "cross_arms" in caught.value.fix
    assert "odd.bvh" in caught.value.fix
    with pytest.raises(RequestError, match="no such motion"):
        motion(str(folder / "none.bvh"))
    with pytest.raises(RequestError, match="several"):
        motion("twice", str(folder))


def test_a_mapping_beside_the_file_names_its_joints(folder: Path) -> None:
    parts = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    marks = [f"{side}_{part}" for side in ("left", "right") for part in parts]
    lines = "\n".join(f"  {mark}: j{number}" for number, mark in enumerate(marks))
    (folder / "odd.bvh.yaml").write_text(f"mapping:\n{lines}\n")
    found = joint_of(motion("odd", str(folder)))
    assert [found[mark] for mark in marks] == list(range(1, 13))


@pytest.mark.parametrize("text", ["mapping: [a]", "map: {}", "mapping: {left_elbow: 3}", "a: [", "- a"])
def test_a_broken_mapping_is_refused(folder: Path, text: str) -> None:
    (folder / "odd.bvh.yaml").write_text(text)
    with pytest.raises(InputDataError, match="mapping") as caught:
        motion("odd", str(folder))
    assert caught.value.where["file"].endswith("odd.bvh.yaml")


def test_a_mapping_must_name_what_exists(folder: Path) -> None:
    (folder / "odd.bvh.yaml").write_text("mapping: {left_elbow: j99}")
    with pytest.raises(RequestError, match="does not exist"):
        motion("odd", str(folder))


@pytest.mark.data
def test_captured_motion(shared_data: Path) -> None:
    clip = motion("dab", str(shared_data / "motions"))
    assert np.isfinite(clip.positions).all()
