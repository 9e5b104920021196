"""What the joints of any source are called here.

Belongs here: landmarks, the words different programs use for them, and advice where those do not help. Does not:
reading files or carrying motion over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from itertools import pairwise

import numpy as np

from osf_pipeline.errors import RequestError
from osf_pipeline.motion.clip import Clip

SIDES = ("left", "right")
ARM = ("shoulder", "elbow", "wrist", "hand")
LEG = ("hip", "knee", "ankle", "toe")
MIDDLE = ("hips", "neck", "head")
LANDMARKS = (*MIDDLE, *(f"{side}_{joint}" for side in SIDES for joint in (*ARM, *LEG)))
"""Places on a body. `neck` is the base of the neck, between the shoulders; `hand` is the knuckles, `toe` the ball of
the foot; left and right are the body's own."""

REQUIRED = tuple(f"{side}_{joint}" for side in SIDES for joint in (*ARM[:3], *LEG[:3]))
"""Without the others: `hips` and `neck` lie between their neighbours, the head follows the torso, hands and feet
follow forearms and shins."""

# In order of preference: the shoulder of one source is the collar of another, and its `leg` the thigh of a third.
WORDS: dict[str, tuple[str, ...]] = {
    "hips": ("hips", "pelvis", "hip", "root"),
    "neck": ("neck", "neckbase", "lowerneck", "necklower"),
    "head": ("headend", "headtopend", "headtop", "headnub", "head"),
    "shoulder": ("upperarm", "uparm", "armupper", "arm", "shldr", "humerus", "shoulder"),
    "elbow": ("forearm", "lowerarm", "lowarm", "armlower", "elbow", "radius"),
    "wrist": ("wrist", "hand"),
    "hand": ("hand", "handend", "handmiddle", "middleproximal", "middle", "fingers", "knuckles", "handnub", "wristend"),
    "hip": ("upleg", "upperleg", "legupper", "thigh", "femur", "hip", "leg"),
    "knee": ("lowleg", "lowerleg", "leglower", "shin", "calf", "knee", "tibia", "leg"),
    "ankle": ("ankle", "foot"),
    "toe": ("toebase", "toe", "toes", "ball", "foot", "footend", "ankleend"),
}
SIDED = {word for joint in (*ARM, *LEG) for word in WORDS[joint]}
MARKERS = {"left": "left", "l": "left", "lft": "left", "right": "right", "r": "right", "rgt": "right", "rt": "right"}


def landmarks(clip: Clip, mapping: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """Where a clip's body is: landmark to (T, 3) positions.

    Args:
        mapping: landmark to joint name, where names and hierarchy do not tell; it goes before both.

    Returns:
        Every required landmark, `hips` and `neck`; the others where the source has them.

    Raises:
        RequestError: a landmark is nowhere to be found, or the mapping names what does not exist.
    """
    found = {name: clip.positions[:, joint] for name, joint in joint_of(clip, mapping).items()}
    for name, beside in (("hips", "hip"), ("neck", "shoulder")):
        found.setdefault(name, (found[f"left_{beside}"] + found[f"right_{beside}"]) / 2)
    return found


def joint_of(clip: Clip, mapping: Mapping[str, str] | None = None) -> dict[str, int]:
    """Landmark to index of the clip's joint, of those it has.

    Raises:
        RequestError: as `landmarks`.
    """
    given = _checked(clip, mapping or {})
    found = guess(clip.joints, clip.parents) | given
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        free = [joint for number, joint in enumerate(clip.joints) if number not in found.values()]
        raise RequestError(
            f"the motion's joint names do not tell where {', '.join(missing)} are",
            motion=clip.name,
            joints=", ".join(clip.joints),
            fix=f"Name them, for example:\n{_suggestion(free or clip.joints, missing)}",
        )
    return found


def guess(joints: Sequence[str], parents: np.ndarray) -> dict[str, int]:
    """Landmark to index of its joint by the words in names, then by what hangs between or below known joints."""
    words = [_words(name) for name in _without_common(joints)]
    found: dict[str, int] = {}
    for landmark in LANDMARKS:
        side, _, joint = landmark.rpartition("_")
        wanted = [(side, word) for word in WORDS[joint]]
        places = [words.index(want) for want in wanted if want in words]
        free = [place for place in places if place not in found.values()]
        if free:
            found[landmark] = free[0]
    for side in SIDES:
        for chain in (ARM, LEG):
            _fill(found, [f"{side}_{joint}" for joint in chain[:3]], parents)
    return found


def up_direction(joints: Sequence[str], parents: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(3,) unit direction from the legs to the upper body, mean over (T, J, 3) positions.

    A body whose names tell nothing is taken to stand along its longest extent.
    """
    found = guess(joints, parents)
    upper = [found[name] for name in ("neck", "head", "left_shoulder", "right_shoulder") if name in found]
    lower = [found[name] for name in ("left_knee", "right_knee", "left_ankle", "right_ankle") if name in found]
    if upper and lower:
        up = (positions[:, upper].mean(axis=1) - positions[:, lower].mean(axis=1)).mean(axis=0)
    else:
        up = np.where(np.arange(3) == np.argmax(np.ptp(positions, axis=1).mean(axis=0)), 1.0, 0.0)
    return up / max(float(np.linalg.norm(up)), 1e-12)


def _checked(clip: Clip, mapping: Mapping[str, str]) -> dict[str, int]:
    for kind, names, known in (("landmark", mapping.keys(), LANDMARKS), ("joint", mapping.values(), clip.joints)):
        for name in names:
            if name not in known:
                near = ", ".join(get_close_matches(name, known)) or ", ".join(known)
                raise RequestError(
                    f"the mapping names a {kind} that does not exist",
                    motion=clip.name,
                    **{kind: name},
                    fix=f"Did you mean {near}?",
                )
    return {landmark: clip.joints.index(joint) for landmark, joint in mapping.items()}


def _suggestion(joints: Sequence[str], missing: Sequence[str]) -> str:
    """A mapping to paste; best guesses by likeness of the names, each joint once."""
    left, lines = list(joints), ["mapping:"]
    for landmark in missing:
        if left:
            best = max(left, key=lambda name: SequenceMatcher(None, landmark, name.lower()).ratio())
            left.remove(best)
            lines.append(f"  {landmark}: {best}")
    return "\n".join(lines)


def _without_common(joints: Sequence[str]) -> list[list[str]]:
    """Each name's words, lower case, without name spaces, numbers and words that most joints share (a rig's prefix)."""
    split = [
        [word.lower() for word in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", re.split(r"[:|]", name)[-1])]
        for name in joints
    ]
    count = Counter(word for words in split for word in set(words))
    common = {word for word, number in count.items() if number > 0.6 * len(joints) and word not in MARKERS}
    return [[word for word in words if word not in common] for words in split]


def _words(words: list[str]) -> tuple[str, str]:
    """A joint's side ("" for the middle) and the rest of its name in one word."""
    side = next((MARKERS[word] for word in words if word in MARKERS), "")
    rest = "".join(word for word in words if word not in MARKERS)
    if not side and rest[:1] in ("l", "r") and rest[1:] in SIDED:  # lfemur, rhand
        side, rest = MARKERS[rest[0]], rest[1:]
    return side, rest


def _fill(found: dict[str, int], chain: list[str], parents: np.ndarray) -> None:
    """Give unknown joints of a limb the place between, below or above the known ones."""
    for above, name in pairwise(chain):
        if name in found or above not in found:
            continue
        below = next((found[later] for later in chain[chain.index(name) + 1 :] if later in found), None)
        path = [below] if below is not None else [_deepest(found[above], parents)]
        while path[-1] not in (found[above], -1):
            path.append(int(parents[path[-1]]))
        between = [joint for joint in path[(below is not None) : -1] if joint not in found.values()]
        if path[-1] == found[above] and between:
            found[name] = between[-1]
    for name, below_name in reversed(list(pairwise(chain))):
        above_joint = int(parents[found[below_name]]) if below_name in found else -1
        if name not in found and above_joint > 0 and above_joint not in found.values():
            found[name] = above_joint


def _deepest(joint: int, parents: np.ndarray) -> int:
    """The joint furthest down below this one."""
    depth = {joint: 0}
    for child in range(joint + 1, len(parents)):
        if int(parents[child]) in depth:
            depth[child] = depth[int(parents[child])] + 1
    return max(depth, key=lambda number: depth[number])
