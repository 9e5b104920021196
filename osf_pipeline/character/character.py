"""A character: closed mesh, bones, weights and texture, and its files.

Belongs here: the result of building, posing by linear blend skinning, saving and loading. Does not: how the mesh, the
parts or the weights are made (the other modules here), motion (`osf_pipeline.motion`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

import numpy as np
import PIL.Image
import safetensors.numpy
from pydantic import ValidationError
from safetensors import SafetensorError

from osf_pipeline.config import Strict, Vec3
from osf_pipeline.errors import InputDataError
from osf_pipeline.layout import join
from osf_pipeline.store.files import take, write_bytes

ARRAYS, CARD, TEXTURE = "character.safetensors", "character.json", "texture.png"


class Role(StrEnum):
    """What a bone is in a body, so that a motion of another body can be carried over."""

    PELVIS = "pelvis"
    TORSO = "torso"
    HEAD = "head"
    RIGHT_UPPER_ARM = "right_upper_arm"
    RIGHT_FOREARM = "right_forearm"
    RIGHT_HAND = "right_hand"
    LEFT_UPPER_ARM = "left_upper_arm"
    LEFT_FOREARM = "left_forearm"
    LEFT_HAND = "left_hand"
    RIGHT_THIGH = "right_thigh"
    RIGHT_SHIN = "right_shin"
    RIGHT_FOOT = "right_foot"
    LEFT_THIGH = "left_thigh"
    LEFT_SHIN = "left_shin"
    LEFT_FOOT = "left_foot"


@dataclass(frozen=True)
class Bone:
    """One bone, which is one part of the body.

    Attributes:
        name: unique; the part's name: `right_forearm`, `right_forearm_2`.
        parent: index of the parent bone, lower than the bone's own; -1 for the pelvis.
        head, tail: (x, y, z) rest positions in scene units; the bone turns about its head.
        role: what it follows in a motion. Several bones may share a role (a figure of six arms).
    """

    name: str
    parent: int
    head: tuple[float, float, float]
    tail: tuple[float, float, float]
    role: Role


class BoneCard(Strict):
    """A bone in `character.json`."""

    name: str
    parent: int
    head: Vec3
    tail: Vec3
    role: Role


class CharacterCard(Strict):
    """`character.json`: what is not an array. `format` grows with every change an older reader would get wrong."""

    format: Literal[1] = 1
    bones: tuple[BoneCard, ...]
    pixel: float
    origin: tuple[float, float]


@dataclass(frozen=True)
class Character:
    """A posable figure in its rest pose.

    Scene units: +x right and +y up on the drawing, +z towards its viewer; the drawing lies in the plane z = 0, the
    lowest point stands on y = 0, the pelvis at x = 0, and the longer side of the figure's box is `SIZE` units.

    Attributes:
        bones: B bones, parents first.
        rest: (V, 3) float64 vertices.
        faces: (F, 3) int32, counter-clockwise seen from outside; a closed surface: each edge has two faces.
        part: (F,) uint16, index of the face's bone + 1.
        weights: (V, B) float32, rows sum to 1.
        uv: (F, 3, 2) float32 texture coordinates of each face's corners: u right, v DOWN, 0..1 over the whole texture
            (glTF's convention), so texel centre i lies at (i + 0.5) / size.
        texture: (H, W, 3) float32 display-encoded sRGB without the outline; front in the left half, back in the right.
        pixel: scene units of one pixel of the drawing.
        origin: (x, y) pixel of the drawing at the scene's x = 0, y = 0:
            scene x = (px - origin x) * pixel, scene y = (origin y - py) * pixel.
    """

    SIZE = 1.8

    bones: tuple[Bone, ...]
    rest: np.ndarray
    faces: np.ndarray
    part: np.ndarray
    weights: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    pixel: float
    origin: tuple[float, float]

    @cached_property
    def heads(self) -> np.ndarray:
        """(B, 3) float64 rest position each bone turns about."""
        return np.array([bone.head for bone in self.bones], np.float64)

    @property
    def parts(self) -> Mapping[int, str]:
        """Part id to name."""
        return {number: bone.name for number, bone in enumerate(self.bones, start=1)}

    def posed(self, rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
        """(V, 3) float64 vertices by linear blend skinning.

        Args:
            rotation: (B, 3, 3) world rotation of each bone from its rest orientation.
            position: (B, 3) world position of each bone's head.
        """
        shift = position - np.einsum("bij,bj->bi", rotation, self.heads)
        affine = np.concatenate([rotation, shift[:, :, None]], axis=2).reshape(len(self.bones), 12)
        blended = (self.weights @ affine).reshape(-1, 3, 4)
        return np.einsum("vij,vj->vi", blended[:, :, :3], self.rest) + blended[:, :, 3]

    def save(self, folder: str) -> None:
        """Write `character.safetensors`, `texture.png` and, last, `character.json`; local path or any fsspec URL.

        Equal characters give equal files. The texture is kept in steps of 1/255.
        """
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in SHAPES}
        write_bytes(join(folder, ARRAYS), safetensors.numpy.save(arrays))
        picture = io.BytesIO()
        pixels = np.round(np.clip(self.texture, 0, 1) * 255).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(picture, format="PNG")
        write_bytes(join(folder, TEXTURE), picture.getvalue())
        bones = tuple(BoneCard(**vars(bone)) for bone in self.bones)
        card = CharacterCard(bones=bones, pixel=self.pixel, origin=self.origin)
        write_bytes(join(folder, CARD), (card.model_dump_json(indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: str) -> Character:
        """The character that `save` wrote.

        Raises:
            InputDataError: when a file is missing, damaged, of another format, or does not fit the others.
        """
        try:
            card = CharacterCard.model_validate_json(take(join(folder, CARD)))
            arrays = safetensors.numpy.load(take(join(folder, ARRAYS)))
            with PIL.Image.open(io.BytesIO(take(join(folder, TEXTURE))), formats=["PNG"]) as file:
                texture = np.asarray(file.convert("RGB")).astype(np.float32) / 255
        except (FileNotFoundError, ValidationError, SafetensorError, OSError, SyntaxError) as error:
            raise InputDataError(
                "a character cannot be read", file=folder, problem=str(error)[:300], fix="Build it again."
            ) from error
        _check(arrays, len(card.bones), folder)
        bones = tuple(Bone(bone.name, bone.parent, bone.head, bone.tail, bone.role) for bone in card.bones)
        return cls(bones=bones, **arrays, texture=texture, pixel=card.pixel, origin=card.origin)


SHAPES: Mapping[str, tuple[type, str]] = {
    "rest": (np.float64, "V3"),
    "faces": (np.int32, "F3"),
    "part": (np.uint16, "F"),
    "weights": (np.float32, "VB"),
    "uv": (np.float32, "F32"),
}
"""Dtype and axes of each stored array."""


def _check(arrays: Mapping[str, np.ndarray], bones: int, folder: str) -> None:
    sizes = {"B": bones, "2": 2, "3": 3}
    problem = None if arrays.keys() == SHAPES.keys() else f"holds {sorted(arrays)}"
    for name, (dtype, axes) in SHAPES.items():
        if problem:
            break
        shape = arrays[name].shape
        if arrays[name].dtype != dtype or len(shape) != len(axes):
            problem = f"{name} is {arrays[name].dtype} of shape {shape}"
        elif any(sizes.setdefault(axis, size) != size for axis, size in zip(axes, shape, strict=True)):
            problem = f"{name} of shape {shape} does not fit the others"
    if not problem and not (arrays["faces"].min() >= 0 and arrays["faces"].max() < sizes["V"]):
        problem = "faces name vertices that are not there"
    if not problem and not (arrays["part"].min() >= 1 and arrays["part"].max() <= bones):
        problem = "part names bones that are not there"
    if problem:
        raise InputDataError("a character's arrays do not fit", file=folder, problem=problem, fix="Build it again.")
