"""From a drawing to a character.

Belongs here: the order of the steps, scene units, texture coordinates, what is reported. Does not: any of the steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from osf_pipeline.character.back import paint_back
from osf_pipeline.character.bones import HEAD, DrawnBone, drawn_bones
from osf_pipeline.character.character import Bone, Character
from osf_pipeline.character.inflate import inflate
from osf_pipeline.character.mesh import VERTICES, triangulate
from osf_pipeline.character.parts import Parts, divide
from osf_pipeline.character.weights import skin_weights
from osf_pipeline.drawing.drawing import Drawing

LINE_CONTRAST = 0.15
"""Difference of display-encoded grey from which on a dark stroke is a line in full."""


@dataclass(frozen=True)
class BuildReport:
    """What was built, in numbers.

    Attributes:
        vertices, faces: of the closed mesh.
        holes: of background inside the figure.
        min_angle: smallest angle of the sheet's triangles, degrees.
        edge: median edge length, pixels of the drawing.
        cuts: total length of the cuts between parts that touch, pixels.
        depth: front to back, scene units.
        parts: name to number of faces.
    """

    vertices: int
    faces: int
    holes: int
    min_angle: float
    edge: float
    cuts: float
    depth: float
    parts: dict[str, int]

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def build_character(drawing: Drawing, vertices: int = VERTICES) -> tuple[Character, BuildReport]:
    """Make a posable body of a drawing; the same drawing gives the same bytes.

    Args:
        vertices: about how many the front of a compact figure gets; thin limbs have more than their share.

    Raises:
        InputDataError: where mask or joints do not make a figure; names the joint or part.
    """
    flat = triangulate(drawing.mask, vertices)
    drawn = drawn_bones(drawing.skeleton, drawing.mask)
    parts = divide(flat, drawn, drawing.mask, _ink(drawing))
    sheet = parts.sheet
    body = inflate(sheet)
    weights = skin_weights(sheet, parts.part, [bone.parent for bone in drawn])
    low, high = sheet.points.min(axis=0), sheet.points.max(axis=0)
    pixel = Character.SIZE / float((high - low).max())
    origin = float(drawn[0].head[0]), float(high[1])

    def scene(points: np.ndarray, height: np.ndarray | float = 0.0) -> np.ndarray:
        x, y = (points[:, 0] - origin[0]) * pixel, (origin[1] - points[:, 1]) * pixel
        return np.stack([x, y, np.broadcast_to(height, x.shape) * pixel], axis=1)

    ends = scene(np.array([[bone.head, bone.tail] for bone in drawn]).reshape(-1, 2)).reshape(-1, 2, 3)
    bones = tuple(
        Bone(bone.name, bone.parent, _triple(head), _triple(tail), bone.role)
        for bone, (head, tail) in zip(drawn, ends, strict=True)
    )
    character = Character(
        bones=bones,
        rest=scene(sheet.points[body.source], body.height),
        faces=body.faces,
        part=np.tile(parts.part + 1, 2).astype(np.uint16),
        weights=weights[body.source],
        uv=_texture_coordinates(sheet.points[sheet.faces], drawing.mask.shape),
        texture=_texture(drawing, parts, drawn),
        pixel=pixel,
        origin=origin,
    )
    edge = np.linalg.norm(np.diff(flat.points[flat.edges.ends], axis=1)[:, 0], axis=1)
    report = BuildReport(
        vertices=len(character.rest),
        faces=len(character.faces),
        holes=1 - (len(flat.points) - len(edge) + len(flat.faces)),
        min_angle=float(np.degrees(sheet.angles.min())),
        edge=float(np.median(edge)),
        cuts=float(np.linalg.norm(np.diff(parts.slit, axis=1)[:, 0], axis=1).sum()),
        depth=2 * float(body.height.max()) * pixel,
        parts={bone.name: int((character.part == k).sum()) for k, bone in enumerate(bones, start=1)},
    )
    return character, report


def _triple(point: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in point)
    return x, y, z


def _texture_coordinates(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(2 F, 3, 2) float32: the front in the left half; the back in the right, as seen from behind."""
    height, width = size
    u, v = (corners[:, :, 0] + 0.5) / (2 * width), (corners[:, :, 1] + 0.5) / height
    front, back = np.stack([u, v], axis=2), np.stack([1 - u, v], axis=2)[:, [0, 2, 1]]
    return np.concatenate([front, back]).astype(np.float32)


def _texture(drawing: Drawing, parts: Parts, drawn: tuple[DrawnBone, ...]) -> np.ndarray:
    """(H, 2 W, 3) float32 in steps of 1/255, so that it is the same after it went through a file."""
    centres = parts.sheet.points[parts.sheet.faces].mean(axis=1)
    y, x = np.indices(drawing.mask.shape)
    face = cKDTree(centres).query(np.stack([x.ravel(), y.ravel()], axis=1))[1].reshape(drawing.mask.shape)
    head = np.array([bone.chain == HEAD for bone in drawn])[parts.part][face]
    behind = paint_back(drawing.fill, drawing.mask, head, drawn, _line_width(drawing))
    atlas = np.concatenate([drawing.fill, behind[:, ::-1]], axis=1)
    return (np.round(np.clip(atlas, 0, 1) * 255) / 255).astype(np.float32)


def _ink(drawing: Drawing) -> np.ndarray:
    """(H, W) float32 0..1: lines inside the figure, by how much darker they are than their surroundings."""
    grey = drawing.fill.mean(axis=2)
    around = ndimage.gaussian_filter(grey, 0.03 * max(grey.shape))
    return np.clip((around - ndimage.gaussian_filter(grey, 1)) / LINE_CONTRAST, 0, 1).astype(np.float32)


def _line_width(drawing: Drawing) -> float:
    """Pixels: twice the median depth of the drawn outline."""
    if not drawing.contour.any():
        return 1.0
    inside = ndimage.distance_transform_edt(np.pad(drawing.contour, 1))[1:-1, 1:-1][drawing.contour]
    return float(max(1.0, 4 * inside.mean()))
