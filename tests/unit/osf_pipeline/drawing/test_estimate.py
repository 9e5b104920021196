"""Joints from a silhouette: found on bipeds of many builds, refused on everything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from scipy import ndimage

from osf_pipeline.drawing.estimate import estimate
from osf_pipeline.drawing.skeleton import Skeleton, check, read
from osf_pipeline.errors import InputDataError

Stroke = tuple[float, float, float, float, float]
"""A line from x, y to x, y and its half width."""

BODY: tuple[Stroke, ...] = ((200, 160, 200, 230, 45), (200, 75, 200, 75, 40), (200, 100, 200, 140, 18))
LEGS: tuple[Stroke, ...] = ((180, 250, 160, 360, 16), (220, 250, 240, 360, 16))
OUT: tuple[Stroke, ...] = ((170, 140, 80, 140, 14), (230, 140, 320, 140, 14))
UP: tuple[Stroke, ...] = ((170, 140, 110, 20, 14), (230, 140, 290, 20, 14))
HANGING: tuple[Stroke, ...] = ((160, 140, 110, 270, 12), (240, 140, 290, 270, 12))
EARS: tuple[Stroke, ...] = ((180, 50, 150, 12, 9), (220, 50, 250, 12, 9))
SKIRT: tuple[Stroke, ...] = (
    *((200, 200, 200 + k, 290, 8) for k in range(-60, 61, 6)),
    *((x, 290, x, 370, 12) for x in (180, 220)),
)
TAIL: tuple[Stroke, ...] = ((200, 230, 330, 240, 9),)
SIX: tuple[Stroke, ...] = (*OUT, (170, 185, 80, 200, 12), (230, 185, 320, 200, 12))
ON_HIP: tuple[Stroke, ...] = (OUT[0], (230, 140, 310, 180, 12), (310, 180, 230, 220, 12))
STUBBY: tuple[Stroke, ...] = (
    (200, 200, 200, 240, 80), (200, 100, 200, 100, 50), (165, 300, 165, 325, 20), (235, 300, 235, 325, 20),
    (130, 190, 100, 190, 16), (270, 190, 300, 190, 16),
)  # fmt: skip
BIG_HEAD: tuple[Stroke, ...] = (
    (200, 120, 200, 120, 100), (200, 210, 200, 280, 35), (180, 290, 175, 350, 16), (220, 290, 225, 350, 16),
    (180, 240, 120, 255, 13), (220, 240, 280, 255, 13),
)  # fmt: skip
CAT: tuple[Stroke, ...] = (
    (120, 200, 280, 200, 50), (300, 140, 300, 140, 45), (80, 180, 30, 100, 9),
    *((x, 220, x, 340, 14) for x in (105, 150, 250, 295)),
)  # fmt: skip


def figure(*strokes: Stroke, size: int = 400) -> np.ndarray:
    y, x = np.mgrid[:size, :size].astype(float)
    mask = np.zeros((size, size), bool)
    for x0, y0, x1, y1, radius in strokes:
        along = np.array([x1 - x0, y1 - y0])
        t = np.clip(((x - x0) * along[0] + (y - y0) * along[1]) / max(along @ along, 1), 0, 1)
        mask |= np.hypot(x - x0 - t * along[0], y - y0 - t * along[1]) <= radius
    return mask


def near(skeleton: Skeleton, tolerance: float = 15, **places: tuple[float, float]) -> None:
    for name, (x, y) in places.items():
        joint = skeleton[name]
        assert np.hypot(joint.x - x, joint.y - y) < tolerance, f"{name} at {joint.x}, {joint.y} and not {x}, {y}"


def test_a_figure_with_its_arms_out() -> None:
    found = estimate(figure(*BODY, *LEGS, *OUT))
    near(
        found.skeleton, neck=(200, 75), torso=(200, 140), root=(200, 268), right_shoulder=(160, 140),
        right_elbow=(120, 140), right_hand=(82, 140), left_hand=(318, 140), right_hip=(176, 268), right_foot=(162, 356),
        left_knee=(231, 310), left_foot=(238, 356),
    )  # fmt: skip
    assert found.confidence > 0.9
    assert found.skeleton["hip"].x == found.skeleton["root"].x
    assert len(found.skeleton.joints) == 16


@pytest.mark.parametrize(
    ("strokes", "hand"),
    [
        ((*BODY, *LEGS, *UP), (112, 24)),
        ((*BODY, *LEGS, *HANGING), (111, 266)),
        ((*BODY, *LEGS, *OUT, *EARS), (82, 140)),
        ((*BODY, *SKIRT, *OUT), (82, 140)),
        (STUBBY, (95, 190)),
        (BIG_HEAD, (122, 254)),
    ],
    ids=["arms up", "arms hanging", "ears", "skirt", "stubby", "big head"],
)
def test_builds_and_poses(strokes: tuple[Stroke, ...], hand: tuple[float, float]) -> None:
    mask = figure(*strokes)
    found = estimate(mask)
    near(found.skeleton, right_hand=hand, left_hand=(400 - hand[0], hand[1]))
    assert abs(found.skeleton["neck"].x - 200) < 10
    assert check(found.skeleton, mask) == []
    for side, sign in (("right", -1), ("left", 1)):
        assert sign * (found.skeleton[f"{side}_foot"].x - 200) > 0
        assert found.skeleton[f"{side}_foot"].y > found.skeleton[f"{side}_hip"].y


def test_a_foot_that_turns_out_ends_at_its_ankle() -> None:
    boots = ((160, 360, 120, 364, 14), (240, 360, 280, 364, 14))
    near(estimate(figure(*BODY, *LEGS, *OUT, *boots)).skeleton, right_foot=(158, 358), left_foot=(242, 358))


@pytest.mark.parametrize(
    ("strokes", "why"),
    [
        (((200, 200, 200, 200, 100),), "limbs stick out"),
        ((*BODY, *LEGS), "limbs stick out"),
        ((*BODY, *LEGS, OUT[0]), "no head"),
        ((BODY[0], *LEGS, *OUT), "no head"),
        ((*BODY, *LEGS, *SIX), "upright"),
        ((*BODY, *LEGS, *ON_HIP), "hole"),
        (CAT, "upright"),
        ((*BODY, *LEGS, *OUT, *TAIL), "upright"),
        ((*((x0, 400 - y0, x1, 400 - y1, r) for x0, y0, x1, y1, r in (*BODY, *LEGS, *OUT)),), "upright"),
        ((*((y0, x0, y1, x1, r) for x0, y0, x1, y1, r in (*BODY, *LEGS, *OUT)),), "upright"),
    ],
    ids=["disc", "no arms", "one arm", "no head", "four arms", "hand on hip", "cat", "tail", "upside down", "lying"],
)
def test_what_is_no_plain_biped_is_refused(strokes: tuple[Stroke, ...], why: str) -> None:
    with pytest.raises(InputDataError, match="cannot be told from the silhouette") as caught:
        estimate(figure(*strokes))
    assert why in caught.value.where["problem"]
    assert "osf annotate" in caught.value.fix


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InputDataError, match="shows no figure"):
        estimate(np.zeros((50, 50), bool))


@pytest.mark.parametrize("speck", [1, 3])
def test_a_speck_is_refused(speck: int) -> None:
    mask = np.zeros((50, 50), bool)
    mask[10 : 10 + speck, 10 : 10 + speck] = True
    with pytest.raises(InputDataError, match="cannot be told"):
        estimate(mask)


def test_place_and_size_on_the_picture_change_nothing_else() -> None:
    mask = figure(*BODY, *LEGS, *OUT)
    here = estimate(mask).skeleton
    moved = estimate(np.pad(mask, ((30, 0), (70, 5)))).skeleton
    twice = estimate(mask.repeat(2, axis=0).repeat(2, axis=1)).skeleton
    for joint in here.joints:
        near(moved, 0.2, **{joint.name: (joint.x + 70, joint.y + 30)})
        near(twice, 6, **{joint.name: (2 * joint.x + 0.5, 2 * joint.y + 0.5)})


def test_a_figure_to_the_pictures_border() -> None:
    mask = figure(*BODY, *LEGS, *OUT)
    rows, columns = np.nonzero(mask)
    cut = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert check(estimate(cut).skeleton, cut) == []


@pytest.mark.data
@pytest.mark.parametrize(("name", "mean"), [("char1", 0.027), ("char3", 0.019), ("char4", 0.026)])
@pytest.mark.parametrize("change", ["", "mirrored", "grainy"])
def test_real_drawings_against_joints_set_by_hand(shared_data: Path, name: str, mean: float, change: str) -> None:
    folder = shared_data / "drawings" / name
    mask = np.array(PIL.Image.open(folder / "mask.png")) > 127
    truth = read(str(folder / "char_cfg.yaml"), mask.shape)
    seen = mask
    if change == "mirrored":
        seen = mask[:, ::-1]
    elif change == "grainy":
        noise = np.random.default_rng(0).normal(0, 1, mask.shape)
        seen = ndimage.gaussian_filter(mask + noise, 2) > 0.5
    found = estimate(seen).skeleton
    swapped = {"right": "left", "left": "right"}
    errors = []
    for joint in found.joints:
        side, _, part = joint.name.partition("_")
        mirrored = change == "mirrored"
        there = truth[f"{swapped[side]}_{part}" if mirrored and part else joint.name]
        x = mask.shape[1] - 1 - joint.x if mirrored else joint.x
        errors.append(np.hypot(x - there.x, joint.y - there.y))
    height = np.ptp(np.nonzero(mask)[0]) + 1
    assert np.mean(errors) / height < mean * (1.15 if change else 1)
    assert np.max(errors) / height < 0.1


@pytest.mark.data
@pytest.mark.parametrize("name", ["char5", "char6"])
def test_six_arms_and_four_legs_are_refused(shared_data: Path, name: str) -> None:
    mask = np.array(PIL.Image.open(shared_data / "drawings" / name / "mask.png")) > 127
    with pytest.raises(InputDataError, match="cannot be told from the silhouette"):
        estimate(mask)
