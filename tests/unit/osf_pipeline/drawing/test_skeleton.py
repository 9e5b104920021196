"""Joints: their file is read tolerantly and checked strictly; what cannot be posed is told with names and places."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import yaml

from osf_pipeline.character.bones import drawn_bones
from osf_pipeline.drawing.skeleton import Joint, Skeleton, check, dump, findings, parse, read, write
from osf_pipeline.errors import InputDataError, RequestError

SIZE = (300, 200)
STANDING: dict[str, tuple[float, float, str | None]] = {
    "root": (100, 180, None), "hip": (100, 180, "root"), "torso": (100, 100, "hip"), "neck": (100, 50, "torso"),
    "right_shoulder": (70, 100, "torso"), "right_elbow": (45, 130, "right_shoulder"),
    "right_hand": (20, 160, "right_elbow"), "left_shoulder": (130, 100, "torso"),
    "left_elbow": (155, 130, "left_shoulder"), "left_hand": (180, 160, "left_elbow"),
    "right_hip": (80, 185, "root"), "right_knee": (75, 230, "right_hip"), "right_foot": (70, 280, "right_knee"),
    "left_hip": (120, 185, "root"), "left_knee": (125, 230, "left_hip"), "left_foot": (130, 280, "left_knee"),
}  # fmt: skip
EVERYWHERE = np.ones(SIZE, bool)


def standing(**moved: tuple[float, float]) -> Skeleton:
    places = {name: (*moved.get(name, (x, y)), parent) for name, (x, y, parent) in STANDING.items()}
    return Skeleton.of(Joint(name, x, y, parent) for name, (x, y, parent) in places.items())


def content(**changed: Any) -> dict[str, Any]:
    entries = [{"name": n, "loc": [x, y], "parent": p} for n, (x, y, p) in STANDING.items()]
    return {"height": SIZE[0], "width": SIZE[1], "skeleton": entries, **changed}


def test_a_written_file_reads_back_and_keeps_animated_drawings_form(tmp_path: Path) -> None:
    skeleton, url = standing(neck=(100.25, 51)), str(tmp_path / "char_cfg.yaml")
    write(url, skeleton, SIZE)
    assert read(url, SIZE) == skeleton
    data = yaml.safe_load(Path(url).read_text())
    assert (data["height"], data["width"]) == SIZE
    assert data["skeleton"][0] == {"loc": [100, 180], "name": "root", "parent": None}
    assert data["skeleton"][3]["loc"] == [100.25, 51]


def test_parents_come_first_and_a_good_order_is_kept() -> None:
    assert [joint.name for joint in standing().joints] == list(STANDING)
    turned = Skeleton.of(reversed(standing().joints))
    seen: set[str | None] = {None}
    for joint in turned.joints:
        assert joint.parent in seen
        seen.add(joint.name)
    assert set(turned.joints) == set(standing().joints)


def test_a_file_for_another_size_is_scaled_about_the_pictures_corner() -> None:
    skeleton = parse(content(), (600, 400))
    assert (skeleton["neck"].x, skeleton["neck"].y) == (100.5 * 2 - 0.5, 50.5 * 2 - 0.5)
    assert parse(content(), (150, 100)).scaled(2, 2)["left_foot"].x == pytest.approx(130)


def test_a_size_that_rounding_explains_is_the_same_shape() -> None:
    parse(content(height=10, width=7), (300, 200))
    with pytest.raises(InputDataError, match="another shape"):
        parse(content(), (300, 240))


def test_a_file_may_be_sloppy_where_nothing_is_in_doubt() -> None:
    data = content(height=None, width=None, comment="more keys")
    data["skeleton"][0]["parent"] = ""
    data["skeleton"][3]["loc"] = (100.5, 50)
    assert parse(data, SIZE)["neck"].x == 100.5


@pytest.mark.parametrize(
    ("name", "key", "value", "what"),
    [
        ("root", "parent", "left_foot", "exactly one root"),
        ("left_foot", "parent", None, "exactly one root"),
        ("left_foot", "parent", "tail", "not there"),
        ("torso", "parent", "neck", "circle"),
        ("left_foot", "name", "right_foot", "share a name"),
        ("left_foot", "name", "left/foot", "not usable"),
        ("left_foot", "name", None, "no name"),
        ("left_foot", "loc", [1], "no place"),
        ("left_foot", "loc", "here", "no place"),
        ("left_foot", "loc", [math.nan, 2], "no finite number"),
        ("left_foot", "loc", [math.inf, 2], "no finite number"),
        ("left_foot", "loc", [True, 2], "no finite number"),
        ("left_foot", "loc", ["12", 2], "no finite number"),
        ("left_foot", "loc", [10**400, 2], "no finite number"),
    ],
)
def test_what_is_no_tree_of_joints_is_refused(name: str, key: str, value: Any, what: str) -> None:
    data = content()
    next(entry for entry in data["skeleton"] if entry["name"] == name)[key] = value
    with pytest.raises(InputDataError, match=what) as caught:
        parse(data, SIZE)
    assert caught.value.fix


@pytest.mark.parametrize(
    "size", [{"width": 0}, {"height": -3}, {"width": "wide"}, {"width": None}, {"height": math.nan}]
)
def test_a_size_that_is_none_is_refused(size: dict[str, Any]) -> None:
    with pytest.raises(InputDataError, match="no size of a picture"):
        parse(content(**size), SIZE)


@pytest.mark.parametrize(
    "text",
    [
        "skeleton: [", "- 1", "", "skeleton: {}", "skeleton: []", "\x00", "[" * 5_000, "a: 1" * 100_000,
        "skeleton: !!python/object/apply:os.getcwd []",
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "char_cfg.yaml"
    path.write_text(text)
    with pytest.raises(InputDataError) as caught:
        read(str(path), SIZE)
    assert caught.value.where["file"] == str(path)


def test_a_missing_file_points_to_the_page(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="osf annotate"):
        read(str(tmp_path / "char_cfg.yaml"), SIZE)


def test_a_standing_figure_has_nothing_to_say() -> None:
    assert check(standing(), EVERYWHERE) == []


def test_limbs_end_at_branches() -> None:
    names = [[joint.name for joint in limb] for limb in standing().limbs()]
    assert names[0] == ["neck"]
    assert ["right_shoulder", "right_elbow", "right_hand"] in names
    assert len(names) == 5


def test_a_joint_beside_the_figure_is_told_and_one_far_off_refused() -> None:
    mask = EVERYWHERE.copy()
    mask[:, 180:] = False  # left_hand at x = 180 lies 1 pixel outside, and the longer side is 300
    assert findings(standing(left_hand=(179, 160)), mask) == ()
    (near,) = findings(standing(left_hand=(189, 160)), mask)
    assert (near.severity, near.joints) == ("warning", ("left_hand",))
    assert "left_hand at (189, 160) lies 10 pixels outside" in near.what
    assert check(standing(left_hand=(189, 160)), mask) == [f"{near.what}. {near.fix}"]
    with pytest.raises(InputDataError, match=r"left_hand at \(196, 160\) lies 17 pixels outside") as caught:
        check(standing(left_hand=(196, 160)), mask)
    assert "osf annotate" in caught.value.fix


def test_joints_outside_the_picture_are_measured_from_the_figure() -> None:
    (off,) = [f for f in findings(standing(left_foot=(130, 340)), EVERYWHERE) if f.severity == "error"]
    assert "41 pixels" in off.what


def test_bones_need_a_direction_but_hip_may_lie_on_the_root() -> None:
    (found,) = findings(standing(left_hand=(155, 130)), EVERYWHERE)
    assert (found.severity, found.joints) == ("error", ("left_hand", "left_elbow"))


def test_a_bone_over_paper_is_told() -> None:
    mask = EVERYWHERE.copy()
    mask[236:274, 30:120] = False  # the middle of the right shin
    (found,) = findings(standing(), mask)
    assert found.severity == "warning"
    assert found.joints == ("right_knee", "right_foot")


@pytest.mark.parametrize(
    ("moved", "joints"),
    [
        ({"right_elbow": (60, 150), "right_hand": (140, 140)}, "right_hand, hip, torso"),  # across the chest
        ({"right_elbow": (60, 150), "right_hand": (92, 140)}, "right_hand, hip, torso"),  # on it
        ({"left_elbow": (150, 70), "left_hand": (80, 75)}, "left_hand, torso, neck"),  # across the face
        ({"right_foot": (150, 270), "left_foot": (60, 270)}, "right_foot, left_foot"),  # crossed legs
        ({"left_elbow": (170, 140), "left_hand": (100, 183)}, "left_hand, root, left_hip"),  # on the hip
    ],
)
def test_limbs_over_the_body_are_refused(moved: dict[str, tuple[float, float]], joints: str) -> None:
    with pytest.raises(InputDataError, match="the drawing hides part of the body") as caught:
        check(standing(**moved), EVERYWHERE)
    assert caught.value.where["joints"] == joints
    assert "A- or T-pose" in caught.value.fix


@pytest.mark.parametrize(
    "moved",
    [
        {"right_elbow": (60, 60), "right_hand": (75, 20)},  # raised beside the head
        {"right_elbow": (68, 140), "right_hand": (66, 178)},  # hanging
        {"right_knee": (98, 230), "right_foot": (97, 280)},  # a leg straight under the root
    ],
)
def test_limbs_beside_the_body_are_not(moved: dict[str, tuple[float, float]]) -> None:
    assert check(standing(**moved), EVERYWHERE) == []


def test_a_damaged_mask_is_refused() -> None:
    with pytest.raises(InputDataError, match="shows no figure"):
        check(standing(), ~EVERYWHERE)


@pytest.mark.parametrize(
    ("old", "new"), [("left_foot", "paw"), ("left_foot", "left_foot2"), ("neck", "head"), ("left_hand", "left_hand_b")]
)
def test_names_no_bone_can_be_made_of_are_told_beforehand(old: str, new: str) -> None:
    joints = [replace(joint, name=new) if joint.name == old else joint for joint in standing().joints]
    skeleton = Skeleton.of(joints)
    with pytest.raises(InputDataError):
        drawn_bones(skeleton, EVERYWHERE)
    with pytest.raises(InputDataError):
        check(skeleton, EVERYWHERE)


def test_only_legs_are_hind_or_front() -> None:
    def renamed(*parts: str) -> Skeleton:
        names = {f"left_{part}": f"left_{part}_b" for part in parts}
        return Skeleton.of(
            replace(j, name=names.get(j.name, j.name), parent=names.get(j.parent or "", j.parent))
            for j in standing().joints
        )

    assert check(renamed("hip", "knee", "foot"), EVERYWHERE) == []
    with pytest.raises(InputDataError, match="no known joint"):
        check(renamed("shoulder", "elbow", "hand"), EVERYWHERE)


def test_a_missing_limb_is_none() -> None:
    armless = Skeleton(
        tuple(j for j in standing().joints if "shoulder" not in j.name and j.name[-4:] not in ("lbow", "hand"))
    )
    assert check(armless, EVERYWHERE) == []
    assert drawn_bones(armless, EVERYWHERE)


@pytest.mark.data
@pytest.mark.parametrize("name", ["char1", "char3", "char4", "char5", "char6"])
def test_real_drawings_pass(shared_data: Path, name: str) -> None:
    folder = shared_data / "drawings" / name
    mask = np.array(PIL.Image.open(folder / "mask.png")) > 127
    skeleton = read(str(folder / "char_cfg.yaml"), mask.shape)
    assert check(skeleton, mask) == []
    assert parse(yaml.safe_load(dump(skeleton, mask.shape)), mask.shape) == skeleton
