"""The joints of a drawn figure, as a tree of named points on the picture, and the `char_cfg.yaml` that holds them.

Belongs here: the tree, its file and its checks. Does not: finding joints (`estimate`, `annotate`) or bones and parts
made from them (`osf_pipeline.character`).

The file is AnimatedDrawings' (facebookresearch/AnimatedDrawings): `width` and `height` of the picture, and `skeleton`,
a list of `{name, loc: [x, y], parent}` with one parentless root. `loc` is a pixel's index, hence our coordinate.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np
import yaml
from scipy import ndimage

from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.shots import NAME
from osf_pipeline.store.files import take, write_bytes

FILE = "char_cfg.yaml"
MAX_JOINTS = 256
MAX_BYTES = 1 << 16
"""Bytes of a file with the most joints of the longest names anybody writes; more is no skeleton."""
ASPECT = 0.01
"""Relative difference of aspect up to which a file of another size is meant for the same picture."""
NEAR = 0.05
"""Distance from the figure, in parts of its longer side, up to which a joint outside it is only worth a word."""
ASTRAY = 0.05
"""Distance from the figure, in parts of its longer side, from which a bone on its way is worth a word."""
OVER = 0.4
"""A limb that comes back to the body's axis nearer than this part of the distance at which it starts lies over it."""


TRUNK = ("root", "torso", "neck")
"""Joints every figure has; `hip` may be between root and torso."""
ARM, LEG = ("shoulder", "elbow", "hand"), ("hip", "knee", "foot")
LIMB = re.compile(rf"(?P<side>right|left)_(?P<joint>{'|'.join(ARM + LEG)})(?P<suffix>\d*|(?<=hip|nee|oot)_[bf])")
"""Names of a limb's joints; a number tells several arms or legs apart, `_b` and `_f` a quadruped's hind and front."""


@dataclass(frozen=True)
class Joint:
    """One joint.

    Attributes:
        name: as in the file: `root`, `torso`, `neck`, `right_elbow`; right is the figure's own right.
        x, y: place on the picture in pixels; integers are pixel centres, y down.
        parent: name of the parent joint; None for the root.
    """

    name: str
    x: float
    y: float
    parent: str | None


@dataclass(frozen=True)
class Skeleton:
    """A tree of joints; parents come before their children, the root first."""

    joints: tuple[Joint, ...]

    def __getitem__(self, name: str) -> Joint:
        return next(joint for joint in self.joints if joint.name == name)

    def children(self, name: str) -> tuple[Joint, ...]:
        """Joints that hang on `name`, in file order."""
        return tuple(joint for joint in self.joints if joint.parent == name)

    @classmethod
    def of(cls, joints: Iterable[Joint]) -> Skeleton:
        """A tree of joints given in any order, which is kept where parents come before their children.

        Raises:
            InputDataError: for duplicate names, names unfit for files, unknown parents, cycles, none or several roots,
                places that are no finite numbers, or more than `MAX_JOINTS`; names the joint.
        """
        found = tuple(joints)
        _check_tree(found)
        given = {joint.name: joint for joint in found}
        placed: dict[str, Joint] = {}
        for joint in found:
            way: list[Joint] = []
            above: Joint | None = joint
            while above is not None and above.name not in placed:
                if above in way:
                    raise InputDataError(
                        "joints hang on each other in a circle", joint=above.name, parent=above.parent,
                        fix="Let every joint lead to the root over its parents.",
                    )  # fmt: skip
                way.append(above)
                above = given[above.parent] if above.parent is not None else None
            placed.update((one.name, one) for one in reversed(way))
        return cls(tuple(placed.values()))

    def scaled(self, across: float, down: float) -> Skeleton:
        """On the same picture with so many times the pixels along x and y; its corner stays where it is."""
        if across == down == 1:
            return self
        return Skeleton(
            tuple(replace(j, x=(j.x + 0.5) * across - 0.5, y=(j.y + 0.5) * down - 0.5) for j in self.joints)
        )

    def limbs(self) -> tuple[tuple[Joint, ...], ...]:
        """Unbranched chains up to a tip, from their first joint outwards: shoulder, elbow, hand; or neck alone."""
        chains = []
        for tip in self.joints:
            if tip.parent is None or self.children(tip.name):
                continue
            chain = [tip]
            while (parent := self[chain[0].parent or ""]).parent is not None and len(self.children(parent.name)) == 1:
                chain.insert(0, parent)
            chains.append(tuple(chain))
        return tuple(chains)


def _check_tree(joints: tuple[Joint, ...]) -> None:
    if not 0 < len(joints) <= MAX_JOINTS:
        raise InputDataError("no usable number of joints", count=len(joints), fix=f"Give 1 to {MAX_JOINTS} joints.")
    for joint in joints:
        if not NAME.match(joint.name):
            raise InputDataError(
                "a joint's name is not usable", joint=joint.name,
                fix="Use letters, digits, '.', '_' and '-', starting with one of the first two.",
            )  # fmt: skip
        if not (math.isfinite(joint.x) and math.isfinite(joint.y)):
            raise InputDataError(
                "a joint's place is no finite number", joint=joint.name, loc=[joint.x, joint.y],
                fix="Give it as pixels, [x, y] from the top left.",
            )  # fmt: skip
    counts = Counter(joint.name for joint in joints)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputDataError("joints share a name", joint=twice[0], fix="Give every joint a name of its own.")
    roots = [joint.name for joint in joints if joint.parent is None]
    if len(roots) != 1:
        raise InputDataError(
            "a skeleton has exactly one root", roots=roots,
            fix="Give the pelvis no parent, and every other joint one.",
        )  # fmt: skip
    for joint in joints:
        if joint.parent is not None and joint.parent not in counts:
            raise InputDataError(
                "a joint hangs on a joint that is not there", joint=joint.name, parent=joint.parent,
                fix=f"Joints found: {', '.join(counts)}.",
            )  # fmt: skip


def read(url: str, size: tuple[int, int]) -> Skeleton:
    """Joints from a `char_cfg.yaml`, on a picture of `size` (height, width).

    A file made for the same picture at another size is scaled; one that names no size is taken as it is.

    Raises:
        RequestError: when there is no such file.
        InputDataError: when it is no such file, or what it holds is no tree of joints; names file and joint.
    """
    try:
        text = take(url)
    except FileNotFoundError as error:
        raise RequestError(
            "no such file", file=url, fix="Set the joints with `osf annotate`, or check the path."
        ) from error
    try:
        return parse(_yaml(text), size)
    except InputDataError as error:
        raise InputDataError(error.what, fix=error.fix, file=url, **error.where) from error


def _yaml(text: bytes) -> Any:
    if len(text) > MAX_BYTES:
        raise InputDataError(
            "too large for a file of joints", bytes=len(text), fix="Check that this is the right file."
        )
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise InputDataError(
            "no valid YAML", problem=str(error).replace("\n", " "), fix="Mend the line it names."
        ) from error


def parse(data: Any, size: tuple[int, int]) -> Skeleton:
    """Joints from the content of a `char_cfg.yaml`; raises as `read` does, without the file."""
    if not isinstance(data, Mapping) or not isinstance(data.get("skeleton"), list):
        raise InputDataError("no list `skeleton` of joints", fix="Write it as AnimatedDrawings' char_cfg.yaml has it.")
    across, down = _scale(data, size)
    joints = (_joint(entry, number) for number, entry in enumerate(data["skeleton"]))
    return Skeleton.of(joints).scaled(across, down)


def _scale(data: Mapping[str, Any], size: tuple[int, int]) -> tuple[float, float]:
    """Factors of x and y from the file's size to the picture's."""
    height, width = size
    if data.get("width") is None and data.get("height") is None:
        return 1.0, 1.0
    across, down = _number(data.get("width")), _number(data.get("height"))
    if not (across > 0 and down > 0):  # false for NaN
        raise InputDataError(
            "`width` and `height` are no size of a picture", width=data.get("width"), height=data.get("height"),
            fix="Give both in pixels, or neither.",
        )  # fmt: skip
    # Rounding a scaled picture to whole pixels may take half a pixel of either side.
    slack = ASPECT + 0.5 / min(across, down, height, width)
    if abs(math.log((width / across) / (height / down))) > slack:
        raise InputDataError(
            "the joints were set on a picture of another shape", joints=f"{across:g}x{down:g}",
            picture=f"{width}x{height}", fix="Give the picture they were set on, or set them anew with `osf annotate`.",
        )  # fmt: skip
    return width / across, height / down


def _joint(entry: Any, number: int) -> Joint:
    if not isinstance(entry, Mapping) or entry.get("name") is None:
        raise InputDataError("a joint has no name", number=number, fix="Write {name, loc: [x, y], parent}.")
    name, parent, loc = str(entry["name"]), entry.get("parent"), entry.get("loc")
    if not isinstance(loc, list | tuple) or len(loc) != 2:
        raise InputDataError("a joint has no place", joint=name, loc=str(loc)[:40], fix="Give it as loc: [x, y].")
    return Joint(name, _number(loc[0]), _number(loc[1]), None if parent in (None, "") else str(parent))


def _number(value: Any) -> float:
    """NaN, which every check refuses, for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value) if abs(value) < 1e9 else math.nan


def dump(skeleton: Skeleton, size: tuple[int, int]) -> str:
    """The text of a `char_cfg.yaml` that `read` and AnimatedDrawings understand; whole pixels stay whole numbers."""

    def plain(value: float) -> float:
        rounded = round(float(value), 3)
        return int(rounded) if rounded == int(rounded) else rounded

    data = {
        "height": size[0],
        "width": size[1],
        "skeleton": [
            {"loc": [plain(joint.x), plain(joint.y)], "name": joint.name, "parent": joint.parent}
            for joint in skeleton.joints
        ],
    }
    return yaml.safe_dump(data, sort_keys=False)


def write(url: str, skeleton: Skeleton, size: tuple[int, int]) -> None:
    """Write or replace a `char_cfg.yaml` as a whole; `size` is the picture's (height, width)."""
    write_bytes(url, dump(skeleton, size).encode())


@dataclass(frozen=True)
class JointFinding:
    """One thing to say of joints on a figure.

    Attributes:
        severity: an `error` cannot be posed; a `warning` can, but somebody should look.
        what: one sentence, no trailing period; names joints and places.
        joints: the joints it is about, to show them.
        fix: the next thing to try.
    """

    severity: Literal["error", "warning"]
    what: str
    joints: tuple[str, ...]
    fix: str


def check(skeleton: Skeleton, mask: np.ndarray) -> list[str]:
    """What to look at before the figure is posed, in words.

    Args:
        mask: (H, W) bool, the figure on the picture of the joints.

    Raises:
        InputDataError: when the figure cannot be posed with these joints: `findings` has an error.
    """
    found = findings(skeleton, mask)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise InputDataError(errors[0].what + others, joints=", ".join(errors[0].joints), fix=errors[0].fix)
    return [f"{finding.what}. {finding.fix}" for finding in found]


def findings(skeleton: Skeleton, mask: np.ndarray) -> tuple[JointFinding, ...]:
    """Everything that is wrong or doubtful about joints on a figure, errors first; arguments as of `check`."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        raise InputDataError("the mask shows no figure", fix="Give a mask that is white on the figure.")
    longer = int(max(np.ptp(rows), np.ptp(columns))) + 1
    gaps = ndimage.distance_transform_edt(~mask)
    found = [
        *_outside(skeleton, gaps, longer),
        *_unknown(skeleton),
        *_short(skeleton),
        *_hidden(skeleton),
        *_astray(skeleton, gaps, longer),
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity))


def _outside(skeleton: Skeleton, gaps: np.ndarray, longer: int) -> Iterator[JointFinding]:
    for joint in skeleton.joints:
        row, column = _pixel(joint.x, joint.y, gaps)
        gap = float(gaps[row, column]) + math.hypot(joint.x - column, joint.y - row)
        if gap < 1:
            continue
        what = f"{joint.name} at ({joint.x:g}, {joint.y:g}) lies {gap:.0f} pixels outside the figure"
        far = gap > NEAR * longer
        fix = "Move the joint onto the figure with `osf annotate`, or mend the mask."
        yield JointFinding("error" if far else "warning", what, (joint.name,), fix)


def _pixel(x: float, y: float, pixels: np.ndarray) -> tuple[int, int]:
    """Row and column of the pixel nearest to a place."""
    height, width = pixels.shape
    return min(max(round(y), 0), height - 1), min(max(round(x), 0), width - 1)


def _unknown(skeleton: Skeleton) -> Iterator[JointFinding]:
    """Names nothing is known to move by, and joints without which a limb or the trunk is not whole."""
    names = {joint.name for joint in skeleton.joints}
    wanted = dict.fromkeys(TRUNK)
    for name in sorted(names - {*TRUNK, "hip"}):
        if not (limb := LIMB.fullmatch(name)):
            fix = (
                "Use root, hip, torso, neck, or right_ or left_ with shoulder, elbow, hand, hip, knee or foot; number "
            )
            fix += "further limbs (right_hand2), and end a quadruped's legs in _b and _f (left_knee_f)."
            yield JointFinding("error", f"{name} is no known joint", (name,), fix)
            continue
        for part in ARM if limb["joint"] in ARM else LEG:
            wanted[f"{limb['side']}_{part}{limb['suffix']}"] = None
    for name in wanted:
        if name not in names:
            yield JointFinding("error", f"the joint {name} is missing", (), "Add it, or remove the rest of its limb.")


def _short(skeleton: Skeleton) -> Iterator[JointFinding]:
    """Bones without a direction. `hip` shares the root's place in every file of this format: it turns with it."""
    for parent, joint in _bones(skeleton):
        if math.dist((parent.x, parent.y), (joint.x, joint.y)) < 1 and (parent.parent, joint.name) != (None, "hip"):
            what = f"{joint.name} and its parent {parent.name} share a place at ({joint.x:g}, {joint.y:g})"
            yield JointFinding("error", what, (joint.name, parent.name), "Move one of them: a bone needs a direction.")


def _bones(skeleton: Skeleton) -> Iterator[tuple[Joint, Joint]]:
    places = {joint.name: joint for joint in skeleton.joints}
    return ((places[joint.parent], joint) for joint in skeleton.joints if joint.parent is not None)


def _hidden(skeleton: Skeleton) -> Iterator[JointFinding]:
    """Limbs that cross each other or lie over the body's axis: what is behind them was never drawn."""
    fix = "Draw the figure in an A- or T-pose, arms and legs apart; or move the joints if they are wrong."
    limbs = [limb for limb in skeleton.limbs() if len(limb) > 1]
    for one, other in combinations(limbs, 2):
        if any(_cross(*a, *b) for a in pairwise(one) for b in pairwise(other)):
            what = f"the limbs of {one[-1].name} and {other[-1].name} cross: the drawing hides part of the body"
            yield JointFinding("error", what, (one[-1].name, other[-1].name), fix)
    girdle = {limb[0].name for limb in limbs}
    inner = {joint.name for limb in limbs for joint in limb[1:]}
    trunk = [(parent, joint) for parent, joint in _bones(skeleton) if joint.name not in inner]
    for limb in limbs:
        for parent, joint in trunk:
            crosses = any(_cross(a, b, parent, joint) for a, b in pairwise(limb))
            if crosses or (joint.name not in girdle and _returns(limb, parent, joint)):
                what = (
                    f"the limb of {limb[-1].name} lies over the body between {parent.name} and {joint.name}: "
                    "the drawing hides part of the body"
                )
                yield JointFinding("error", what, (limb[-1].name, parent.name, joint.name), fix)
                break


def _returns(limb: tuple[Joint, ...], parent: Joint, joint: Joint) -> bool:
    """Whether a limb comes back beside a bone of the trunk, much nearer to its line than where the limb starts."""
    along = np.array([joint.x - parent.x, joint.y - parent.y])
    offsets = np.array([[one.x - parent.x, one.y - parent.y] for one in limb])
    beside = (offsets @ along >= 0) & (offsets @ along <= along @ along)  # raised or hanging hands are beyond its ends
    gaps = np.abs(along[0] * offsets[:, 1] - along[1] * offsets[:, 0])
    return bool((beside & (gaps < OVER * gaps[0]))[1:].any())


def _cross(a: Joint, b: Joint, c: Joint, d: Joint) -> bool:
    """Whether the segments ab and cd cross between their ends."""

    def side(p: Joint, q: Joint, r: Joint) -> float:
        return (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x)

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def _astray(skeleton: Skeleton, gaps: np.ndarray, longer: int) -> Iterator[JointFinding]:
    """Bones of limbs that leave the figure on their way: joints of a bent limb too far apart, or of another limb."""
    for limb in skeleton.limbs():
        for a, b in pairwise(limb):
            steps = np.linspace(0, 1, 2 + round(math.dist((a.x, a.y), (b.x, b.y))))
            gap = max(gaps[_pixel(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t, gaps)] for t in steps)
            if gap > ASTRAY * longer:
                what = f"the bone from {a.name} to {b.name} leaves the figure by {gap:.0f} pixels"
                yield JointFinding("warning", what, (a.name, b.name), "Check that both joints are on the same limb.")
