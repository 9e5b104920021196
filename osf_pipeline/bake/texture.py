"""The texture of one object: what it was before a bake, and the files of what it became.

Belongs here: files of one texture, and a character's own. Does not: what the frames say (`texels`, `complete`).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from osf_pipeline.bake.projection import Baked
from osf_pipeline.bake.source import Target
from osf_pipeline.character.character import Character
from osf_pipeline.color import decode_srgb, encode_srgb, to_uint8
from osf_pipeline.colorspaces.delivery import delivery_color
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space, convert
from osf_pipeline.delivery.frame import tagged
from osf_pipeline.delivery.layers import typed
from osf_pipeline.delivery.preview import beside, encode_png, resized
from osf_pipeline.exr.attributes import with_attributes
from osf_pipeline.exr.write import encode_exr
from osf_pipeline.layout import join
from osf_pipeline.store.files import write_bytes

PREVIEW_WIDTH = 256


def write_texture(url: str, target: Target, baked: Baked, own: np.ndarray | None, space: Space) -> np.ndarray:
    """Write the files of one texture; returns own texture, baked one and coverage beside each other."""
    folder = join(url, target.name)
    shown = _display(baked.color, space)
    pixels = to_uint8(shown)
    write_bytes(join(folder, "texture.png"), encode_png(pixels))
    planes = {**dict(zip("RGB", baked.color, strict=True)), "coverage": baked.coverage}
    exr = encode_exr({name: typed(plane, "float16") for name, plane in planes.items()})
    write_bytes(join(folder, "texture.exr"), with_attributes(exr, tagged({}, delivery_color(space).attributes)))
    if target.character is not None:
        from osf_pipeline.gltf.write import write_character

        painted = replace(target.character, texture=np.ascontiguousarray(np.moveaxis(shown, 0, -1)))
        write_bytes(join(folder, f"{target.name}.glb"), write_character(painted, None, target.name))
    coverage = to_uint8(np.repeat(baked.coverage[None], 3, 0))
    before = [] if own is None else [to_uint8(_display(own, space))]
    return beside([resized(picture, PREVIEW_WIDTH) for picture in (*before, pixels, coverage)])


def _display(color: np.ndarray, space: Space) -> np.ndarray:
    """(3, y, x) float32 display-encoded sRGB, clipped."""
    return encode_srgb(np.clip(convert(color, space, LINEAR_REC709), 0, 1)).astype(np.float32)


def charts(character: Character, shape: tuple[int, int]) -> np.ndarray:
    """(rows, columns) bool, texels that lie on the surface."""
    height, width = shape
    mask = Image.new("1", (width, height))
    draw = ImageDraw.Draw(mask)
    for corners in character.uv.astype(np.float64) * (width, height) - 0.5:
        draw.polygon(list(map(tuple, corners)), fill=1)
    return np.asarray(mask)


def own_texture(character: Character, shape: tuple[int, int], space: Space) -> np.ndarray:
    """(3, rows, columns) float64 scene-linear texture of a character at a size; its halves do not mix."""
    linear = np.moveaxis(decode_srgb(character.texture), -1, 0)
    if linear.shape[1:] != shape:
        size = (shape[1] // 2, shape[0])
        halves = [
            np.stack([np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR)) for plane in half])
            for half in np.split(linear.astype(np.float32), 2, axis=2)
        ]
        linear = np.concatenate(halves, axis=2)
    return convert(linear, LINEAR_REC709, space).astype(np.float64)


def fingerprint(character: Character | None) -> str | None:
    """Of all that a bake takes from a character."""
    if character is None:
        return None
    digest = hashlib.sha256(repr(character.bones).encode())
    for array in (character.rest, character.faces, character.part, character.weights, character.uv, character.texture):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
