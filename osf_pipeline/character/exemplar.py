"""A character and its drawing as the exemplar of a style: the rest pose rendered, the drawing registered to it.

Belongs here: the keyframe's scale and frame, and bringing the drawing to its pixels. Does not: building the character
(`build`), what a network learns from the pair (`training`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image
from scipy import ndimage

from osf_pipeline.character.character import Character
from osf_pipeline.color import decode_srgb, straight_srgb
from osf_pipeline.config import Camera
from osf_pipeline.drawing.drawing import Drawing
from osf_pipeline.render.frame import Frame, render_frame
from osf_pipeline.render.scene import Mesh, Scene, Texture

MARGIN = 48
"""Pixels of background around the figure on the keyframe, more than the training looks at."""

DISTANCE = 5.0
"""Scene units from the drawing's plane to the camera."""


@dataclass(frozen=True)
class Register:
    """Pixels of a keyframe on a character and on its drawing; integers are pixel centres on all of them.

    Attributes:
        size: width, height of the keyframe.
        left, top: place of the keyframe's outer corner on the drawing, in the drawing's pixels from its own corner.
        step: drawing pixels for one keyframe pixel.
    """

    size: tuple[int, int]
    left: float
    top: float
    step: float

    @classmethod
    def of(cls, mask: np.ndarray, figure: int) -> Register:
        """The frame around a (H, W) bool figure whose longer side becomes `figure` pixels."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        high, wide = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
        step = float(max(high, wide)) / figure
        width, height = (int(np.ceil(side / step)) + 2 * MARGIN for side in (wide, high))
        middle_x, middle_y = columns[0] + wide / 2, rows[0] + high / 2
        return cls((width, height), float(middle_x - width * step / 2), float(middle_y - height * step / 2), step)

    def camera(self, character: Character) -> Camera:
        """The orthographic camera in front that shows the rest pose pixel for pixel under the drawing."""
        width, height = self.size
        x = self.left + self.step * width / 2 - 0.5
        y = self.top + self.step * height / 2 - 0.5
        pixel, (origin_x, origin_y) = character.pixel, character.origin
        return Camera(
            projection="ortho",
            scale=width * self.step * pixel,
            position=((x - origin_x) * pixel, (origin_y - y) * pixel, DISTANCE),
        )

    def drawing(self, drawing: Drawing) -> np.ndarray:
        """(y, x, 4) uint8 display-encoded sRGB with straight alpha: the figure cut out, filtered in linear light."""
        height, width = drawing.alpha.shape
        right, bottom = self.left + self.step * self.size[0], self.top + self.step * self.size[1]
        pad = 1 + int(np.ceil(max(0.0, -self.left, -self.top, right - width, bottom - height)))
        # A pixel that is covered in part shows paper as well; its own colour is that of the nearest whole one.
        _, (y, x) = ndimage.distance_transform_edt(drawing.alpha < 0.99, return_indices=True)
        alpha = np.pad(drawing.alpha, pad)
        color = np.pad(decode_srgb(drawing.image[y, x]), [(pad, pad), (pad, pad), (0, 0)], mode="edge")
        premultiplied = np.concatenate([color * alpha[..., None], alpha[..., None]], axis=2)
        box = (self.left + pad, self.top + pad, right + pad, bottom + pad)
        # Area averaging makes a drawing smaller without ringing; there is nothing to average when it grows.
        resample = PIL.Image.Resampling.BOX if self.step > 1 else PIL.Image.Resampling.BICUBIC
        planes = [
            np.asarray(PIL.Image.fromarray(plane).resize(self.size, resample, box))
            for plane in np.moveaxis(premultiplied.astype(np.float32), 2, 0)
        ]
        return straight_srgb(np.clip(planes, 0, 1))


def rest_scene(character: Character, camera: Camera, name: str) -> Scene:
    """The character alone in its rest pose, unlit."""
    mesh = Mesh(
        character.rest, character.faces, character.part, 1, lambda _: character.rest,
        Texture(character.texture), character.uv,
    )  # fmt: skip
    return Scene((mesh,), lambda _: camera, None, {1: name}, character.parts)


def keyframe(character: Character, register: Register, name: str) -> Frame:
    """The rest pose as the exemplar's G-buffer."""
    return render_frame(rest_scene(character, register.camera(character), name), 0, register.size)
