"""BVH files: dialects, kinematics, up axes, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from osf_pipeline.errors import InputDataError
from osf_pipeline.motion.bvh import TURN_UP, Up, read_bvh

PLAIN = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Head
  {
    OFFSET 0 5 0
    CHANNELS 3 Xrotation Yrotation Zrotation
    End Site
    {
      OFFSET 0 2 0
    }
  }
  JOINT LeftKnee
  {
    OFFSET 1 -4 0
    CHANNELS 3 Yrotation Xrotation Zrotation
    End Site
    {
      OFFSET 0 -4 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
1 2 3 0 0 0 0 0 0 0 0 0
1 2 3 90 0 0 0 0 0 0 90 0
"""


def test_positions_follow_the_listed_order_of_turns() -> None:
    clip = read_bvh(PLAIN.encode(), "plain")
    assert clip.joints == ("Hips", "Head", "Head_end", "LeftKnee", "LeftKnee_end")
    assert clip.parents.tolist() == [-1, 0, 1, 0, 3]
    assert clip.fps == 30
    np.testing.assert_allclose(clip.positions[0], [(1, 2, 3), (1, 7, 3), (1, 9, 3), (2, -2, 3), (2, -6, 3)], atol=1e-9)
    # hips turn 90 degrees about z: +y goes to -x, +x to +y; the knee's own 90 degrees about x: -y to -z
    np.testing.assert_allclose(clip.positions[1, 1:3], [(-4, 2, 3), (-6, 2, 3)], atol=1e-9)
    np.testing.assert_allclose(clip.positions[1, 3:], [(5, 3, 3), (5, 3, -1)], atol=1e-9)


def test_turns_are_intrinsic() -> None:
    angles = (20.0, -50.0, 130.0)
    row = "1 2 3 " + " ".join(map(str, angles)) + " 0 0 0 0 0 0"
    text = PLAIN.replace("Frames: 2", "Frames: 1").split("1 2 3 0")[0] + row
    clip = read_bvh(text.encode(), "one")
    turned = Rotation.from_euler("ZXY", angles, degrees=True).apply((0, 5, 0))
    np.testing.assert_allclose(clip.positions[0, 1] - clip.positions[0, 0], turned, atol=1e-9)


DIALECTS = {
    "tabs and trailing blanks": PLAIN.replace("  ", "\t").replace("\n", " \t\n"),
    "windows line ends": PLAIN.replace("\n", "\r\n"),
    "blank lines everywhere": "\n\n" + PLAIN.replace("\n", "\n\n"),
    "lower case": PLAIN.lower().replace("hips", "Hips").replace("head", "Head").replace("leftknee", "LeftKnee"),
    "no last line end": PLAIN.rstrip("\n"),
    "braces on the line": PLAIN.replace("\n{", " {"),
    "byte order mark": "\ufeff" + PLAIN,
    "short frame time": PLAIN.replace("0.0333333", ".03333"),
    "tab before the frame time": PLAIN.replace("Time: ", "Time:\t").replace("Frames: ", "Frames:\t"),
    "numbers over several lines": PLAIN.replace("1 2 3 ", "1\n2 3\n"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_read_alike(dialect: str) -> None:
    clip, plain = read_bvh(DIALECTS[dialect].encode(), "x"), read_bvh(PLAIN.encode(), "x")
    assert (clip.joints, clip.fps) == (plain.joints, plain.fps)
    np.testing.assert_allclose(clip.positions, plain.positions, atol=1e-9)


def test_position_channels_of_any_joint_replace_its_offset() -> None:
    text = PLAIN.replace("CHANNELS 3 Xrotation Yrotation Zrotation", "CHANNELS 2 Zposition Xposition")
    rows = "0 0 0 0 0 0 7 3 0 0 0\n" * 2
    clip = read_bvh((text.split("1 2 3 0")[0] + rows).encode(), "x")
    np.testing.assert_allclose(clip.positions[0, 1], (3, 5, 7))


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
def test_the_up_axis_is_found(up: Up) -> None:
    source = TURN_UP[up].T  # from +y up to the source's axes
    lines = []
    for line in PLAIN.splitlines():
        if line.split()[:1] == ["OFFSET"]:
            x, y, z = source @ [float(v) for v in line.split()[1:]]
            line = f"OFFSET {x} {y} {z}"
        lines.append(line)
    text = "\n".join(lines).split("1 2 3 0")[0] + "0 0 0 0 0 0 0 0 0 0 0 0\n" * 2
    clip = read_bvh(text.encode(), "x")
    np.testing.assert_allclose(clip.positions[0, :3], [(0, 0, 0), (0, 5, 0), (0, 7, 0)], atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(TURN_UP[up]), 1)
    given = read_bvh(text.encode(), "x", up=up)
    np.testing.assert_array_equal(given.positions, clip.positions)


@pytest.mark.parametrize(
    ("was", "becomes", "what", "line"),
    [
        ("HIERARCHY\n", "", "lacks `HIERARCHY`", 1),
        ("OFFSET 0 5 0", "OFFSET 0 five 0", "no number for y", 8),
        ("OFFSET 0 5 0", "OFFSET 0 nan 0", "no number for y", 8),
        ("OFFSET 0 5 0", "OFFSET 0 1e99 0", "no number for y", 8),
        ("Zrotation Xrotation Yrotation", "Zrotation Xrotation Yturn", "channel is unknown", 5),
        ("CHANNELS 6", "CHANNELS 99999999", "at most 9", 5),
        ("JOINT Head", "JIONT Head", "does not belong", 6),
        ("}\nMOTION", "MOTION", "ends where", 23),
        ("}\nMOTION", "}\n}\nMOTION", "goes on after", 25),
        ("Frames: 2", "Frames: 3", "does not hold the frames", 25),
        ("Frames: 2", "Frames: -2", "out of range", 25),
        ("Frame Time: 0.0333333", "Frame Time: 0", "out of range", 25),
        ("Frame Time", "Frame Rate", "no `MOTION`", 25),
        ("1 2 3 90", "1 2 inf 90", "no number", 29),
        ("1 2 3 90", "1 2 x3 90", "no number", 29),
        ("1 2 3 90", "1 2 -1e10 90", "no number", 29),
    ],
)
def test_damage_is_told_with_its_line(was: str, becomes: str, what: str, line: int) -> None:
    assert was in PLAIN
    with pytest.raises(InputDataError, match=what) as caught:
        read_bvh(PLAIN.replace(was, becomes).encode(), "broken.bvh")
    assert caught.value.where["file"] == "broken.bvh"
    assert caught.value.where["line"] == line
    assert caught.value.fix


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"}", b"HIERARCHY }", b"MOTION", PLAIN.encode()[:200]])
def test_what_is_no_bvh_is_refused(data: bytes) -> None:
    with pytest.raises(InputDataError):
        read_bvh(data, "x")


def test_depth_and_size_are_bounded() -> None:
    deep = "HIERARCHY ROOT a {" + "JOINT b {" * 5000
    with pytest.raises(InputDataError, match="too large"):
        read_bvh(deep.encode(), "x")


def test_frames_times_joints_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osf_pipeline.motion.bvh.MAX_POSITIONS", 9)
    with pytest.raises(InputDataError, match="too large"):
        read_bvh(PLAIN.encode(), "x")


def test_equal_names_become_distinct() -> None:
    clip = read_bvh(PLAIN.replace("LeftKnee", "Head").encode(), "x")
    assert clip.joints == ("Hips", "Head", "Head_end", "Head_2", "Head_end_2")


@pytest.mark.data
@pytest.mark.parametrize(("name", "frames"), [("dab", 339), ("zombie", 779)])
def test_captured_motions_keep_their_bones(shared_data: Path, name: str, frames: int) -> None:
    clip = read_bvh((shared_data / "motions" / f"{name}.bvh").read_bytes(), name)
    assert clip.positions.shape == (frames, 34, 3)
    bones = np.linalg.norm(clip.positions[:, 1:] - clip.positions[:, clip.parents[1:]], axis=2)
    assert bones.std(axis=0).max() < 1e-9
    heights = dict(zip(clip.joints, clip.positions[:, :, 1].mean(axis=0), strict=True))
    assert heights["Head"] > heights["Hips"] > heights["LeftLeg"] > heights["LeftFoot"]
