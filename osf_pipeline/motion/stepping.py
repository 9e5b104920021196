"""Stepped animation: poses held for two frames or more, as drawn films do.

Belongs here: holding a performance, whole or bone by bone. Does not: holding finished pictures (`stylize.hold`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from osf_pipeline.character.character import Character
from osf_pipeline.errors import RequestError
from osf_pipeline.motion.body import attach
from osf_pipeline.motion.clip import Performance


def stepped(
    performance: Performance, character: Character, steps: int | Mapping[str, int], default: int = 1
) -> Performance:
    """The performance with poses held: 1 is on ones (every frame its own pose), 2 on twos, 3 on threes.

    A held bone keeps its angle to the bone it hangs on, as an animator's stepped keys do: on an arm held on threes at a
    body on ones the hand stays where the body carries it. A bone takes the step of the bone it hangs on unless it is
    named itself. What all hangs together on one step keeps its place in the world, so that its motion is the camera's.

    Args:
        steps: frames a pose is held for, counted from the performance's first frame; or those of bones by name.
        default: step of the first bone where `steps` does not name it.

    Raises:
        RequestError: for a bone the character does not have.
    """
    named = steps if isinstance(steps, Mapping) else {character.bones[0].name: steps}
    if unknown := named.keys() - {bone.name for bone in character.bones}:
        raise RequestError(
            "`steps` names a bone the character does not have", bone=min(unknown),
            fix=f"Its bones: {', '.join(bone.name for bone in character.bones)}.",
        )  # fmt: skip
    each: list[int] = []
    for bone in character.bones:
        each.append(named.get(bone.name, each[bone.parent] if bone.parent >= 0 else default))
    if set(each) == {1}:
        return performance
    time = np.arange(len(performance.rotation))
    rotation = np.empty_like(performance.rotation)
    for number, (bone, step) in enumerate(zip(character.bones, each, strict=True)):
        shown = held(time, step)
        turned = performance.rotation[shown, number]
        if bone.parent >= 0:
            carried = rotation[:, bone.parent] @ performance.rotation[shown, bone.parent].transpose(0, 2, 1)
            turned = carried @ turned
        rotation[:, number] = turned
    root = performance.position[held(time, each[0]), 0]
    return replace(performance, rotation=rotation, position=attach(character, rotation, root))


def held(time: np.ndarray, step: int) -> np.ndarray:
    """The time whose pose is shown at each of some times counted from 0."""
    return time - time % step
