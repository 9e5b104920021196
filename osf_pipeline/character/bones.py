"""The bones of a drawn figure, from its joints.

Belongs here: which bones a skeleton has, what they are named, where they begin and end on the picture, and what role
they play. Does not: which part of the figure follows a bone (`parts`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.character.character import Role
from osf_pipeline.drawing.skeleton import Skeleton
from osf_pipeline.errors import InputDataError

TRUNK, HEAD = "trunk", "head"

LIMB = re.compile(r"(?P<side>right|left)_(?P<joint>shoulder|elbow|hand|hip|knee|foot)(?P<suffix>\d*|_[bf])")
CHAINS = {
    "shoulder": (("shoulder", "elbow", "hand"), ("upper_arm", "forearm", "hand")),
    "hip": (("hip", "knee", "foot"), ("thigh", "shin", "foot")),
}
BEYOND = {"hand": 0.5, "foot": 0.3}
"""Length of the last bone over the one before it: joints end at the wrist and ankle."""

WAIST = 0.3
"""Where the torso begins on the way from the root to the middle of the shoulders."""

STRAY = 0.1
"""How far a joint may lie outside the figure, over the figure's longer side; nearer ones are moved in."""


@dataclass(frozen=True)
class DrawnBone:
    """One bone on the picture.

    Attributes:
        name: unique: `right_forearm`, `right_forearm_2`, `left_thigh_b`.
        parent: index of the parent bone, -1 for the pelvis.
        role: what it follows in a motion.
        chain: bones that are one stretch of the body: `trunk` (pelvis and torso), `head`, or the limb.
        head, tail: (2,) float64 pixels.
    """

    name: str
    parent: int
    role: Role
    chain: str
    head: np.ndarray
    tail: np.ndarray


def drawn_bones(skeleton: Skeleton, mask: np.ndarray) -> tuple[DrawnBone, ...]:
    """The bone tree, parents first: pelvis, torso, head, then the limbs in the skeleton's order.

    Limbs are `{right,left}_{shoulder,elbow,hand}` and `{right,left}_{hip,knee,foot}`, with a number behind where
    there are several; `_b` and `_f` are the hind and front legs of a quadruped. Front legs take the role of the other
    side's leg, so that a walk becomes a trot. `neck` is the nose: the head's bone runs from the neck to the crown.

    Args:
        skeleton: joints on the picture.
        mask: (H, W) bool.

    Raises:
        InputDataError: for a joint that is unknown, missing, or far outside the figure.
    """
    place = _inside(skeleton, mask)
    limbs = _limbs(skeleton)
    hind = [place[f"{side}_hip{suffix}"] for side, suffix, kind in limbs if kind == "hip" and suffix == "_b"]
    root, chest, nose = place["root"], place["torso"], place["neck"]
    waist = pelvis_end = root + WAIST * (chest - root)
    if hind:  # a quadruped's hindquarters lie behind its root
        waist, pelvis_end = root, np.mean(hind, axis=0)
        neck = chest  # is set below the chin
    else:
        neck = _neck(mask, chest, nose)
    crown = _march(mask, nose, nose - chest)
    bones = [
        DrawnBone("pelvis", -1, Role.PELVIS, TRUNK, root, pelvis_end),
        DrawnBone("torso", 0, Role.TORSO, TRUNK, waist, chest),
        DrawnBone("head", 1, Role.HEAD, HEAD, neck, crown),
    ]
    for side, suffix, kind in limbs:
        joints, names = CHAINS[kind]
        ends = [place[f"{side}_{joint}{suffix}"] for joint in joints]
        last = ends[-1] - ends[-2]
        reach = BEYOND[names[-1]] * float(np.linalg.norm(last))
        ends.append(_march(mask, ends[-1], last, reach))
        parent = 1 if kind == "shoulder" or suffix == "_f" else 0
        other = {"right": "left", "left": "right"}[side] if suffix == "_f" else side
        label = f"_{suffix.lstrip('_')}" if suffix else ""
        for name, head, tail in zip(names, ends, ends[1:], strict=False):
            role = Role(f"{other}_{name}")
            bones.append(DrawnBone(f"{side}_{name}{label}", parent, role, f"{side}_{kind}{suffix}", head, tail))
            parent = len(bones) - 1
    return tuple(bones)


def _limbs(skeleton: Skeleton) -> list[tuple[str, str, str]]:
    """Side, suffix and first joint of each limb; every joint is known and every limb whole."""
    names = {joint.name for joint in skeleton.joints}
    for name in ("root", "torso", "neck"):
        if name not in names:
            raise InputDataError("a joint is missing", joint=name, fix="Add it to char_cfg.yaml.")
    limbs = []
    for joint in skeleton.joints:
        if joint.name in ("root", "hip", "torso", "neck"):
            continue
        if not (found := LIMB.fullmatch(joint.name)) or (
            found["suffix"].startswith("_") and found["joint"] in CHAINS["shoulder"][0]
        ):
            raise InputDataError(
                "a joint's name is unknown", joint=joint.name,
                fix="Known are root, hip, torso, neck and right_ or left_ shoulder, elbow, hand, hip, knee, foot; "
                "further limbs have a number behind (right_shoulder2), a quadruped's legs _b and _f (left_hip_b).",
            )  # fmt: skip
        kind = "shoulder" if found["joint"] in CHAINS["shoulder"][0] else "hip"
        if (limb := (found["side"], found["suffix"], kind)) not in limbs:
            limbs.append(limb)
            for part in CHAINS[kind][0]:
                if (whole := f"{found['side']}_{part}{found['suffix']}") not in names:
                    raise InputDataError("a limb lacks a joint", joint=whole, fix="Add it to char_cfg.yaml.")
    return limbs


def _inside(skeleton: Skeleton, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Joint places; those beside the figure are moved to its nearest pixel."""
    beside, nearest = ndimage.distance_transform_edt(~mask, return_indices=True)
    rows, columns = np.nonzero(mask)
    limit = STRAY * max(np.ptp(rows), np.ptp(columns))
    places = {}
    for joint in skeleton.joints:
        x, y = (int(np.clip(round(v), 0, n - 1)) for v, n in ((joint.x, mask.shape[1]), (joint.y, mask.shape[0])))
        off = float(beside[y, x] + np.hypot(joint.x - x, joint.y - y)) if not mask[y, x] else 0.0
        if off > limit:
            raise InputDataError(
                "a joint lies outside the figure", joint=joint.name, x=joint.x, y=joint.y, pixels=round(off, 1),
                fix="Move it onto the figure.",
            )  # fmt: skip
        places[joint.name] = (
            np.array([joint.x, joint.y], np.float64) if mask[y, x] else nearest[::-1, y, x].astype(np.float64)
        )
    return places


def _march(mask: np.ndarray, start: np.ndarray, direction: np.ndarray, reach: float = np.inf) -> np.ndarray:
    """The point `reach` pixels on, or the last one inside the figure, less a pixel of margin."""
    unit = direction / max(float(np.linalg.norm(direction)), 1e-9)
    gone = 0.0
    while gone < reach:
        x, y = np.round(start + (gone + 1.5) * unit).astype(int)
        if not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]):
            break
        gone += 0.5
    return start + max(min(gone, reach), 1.0) * unit


def _neck(mask: np.ndarray, chest: np.ndarray, nose: np.ndarray) -> np.ndarray:
    """Where the figure is narrowest between chest and nose; halfway where it is nowhere pinched."""
    along = nose - chest
    across = np.array([-along[1], along[0]])
    places = chest + np.linspace(0.1, 0.9, 41)[:, None] * along
    width = np.array([np.linalg.norm(_march(mask, p, across) - _march(mask, p, -across)) for p in places])
    at = int(np.argmin(width))
    pinched = 0 < at < 40 and width[at] < 0.8 * min(width[:at].max(), width[at:].max())
    return places[at if pinched else 20]
