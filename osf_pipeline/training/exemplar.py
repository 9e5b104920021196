"""One drawn keyframe, read and made ready for compositing.

Belongs here: checking an exemplar, finding its limbs, measuring its drawn line. Does not: composites
(`model.compositing`), patches (`patches`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.color import from_drawing, on_white, srgb_decode, straight
from model.compositing import Figure, Limb, Sheet
from model.contours import ContourRule, contours, estimate_pixel, rule_for
from model.inputs import rest_without
from model.strokes import Stroke, Strokes
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space
from osf_pipeline.config import StyleConfig
from osf_pipeline.errors import InputDataError
from osf_pipeline.training.line import INK_STEP, LineProfile, measure_line, nearest_of, unrolled

if TYPE_CHECKING:
    from osf_pipeline.drawing.strip import ContourStrip

NEEDED = ("color", "depth", "normal", "rest_position", "part_id", "object_id")
BORDER = 40
"""Pixels of background kept around the figure, so that a line outside it is learnt too."""

SMALLEST_LIMB = 64
"""Pixels; smaller parts travel with their neighbours."""


@dataclass(frozen=True)
class ExemplarData:
    """One keyframe, `(channel, y, x)` arrays of one size.

    Attributes:
        buffers: canonical buffers, at least those of `NEEDED`; `color` in `space`.
        drawing: (4, y, x) float32 in 0..1, straight alpha, the sRGB curve on the primaries of `space`.
        mask: (1, y, x) float32 in 0..1; where the drawing is to be learnt.
        space: scene-linear; a network that learns from this sees and draws in it.
        strip: the outline the drawing was made with, straightened; None where the style has none.
    """

    buffers: Mapping[str, np.ndarray]
    drawing: np.ndarray
    mask: np.ndarray
    space: Space = LINEAR_REC709
    strip: ContourStrip | None = None


@dataclass(frozen=True)
class PreparedExemplar:
    """An exemplar ready for training.

    Attributes:
        outlines: the drawn line, straightened.
        inked: (H, W) float, how far the drawing differs from the render along contours; 0 where it is not drawn on.
    """

    figure: Figure
    rule: ContourRule
    profile: LineProfile
    outlines: tuple[Stroke, ...]
    inked: Tensor

    @property
    def stroke(self) -> float:
        return max(2.0, self.profile.stroke)


def exemplar_from_arrays(
    buffers: Mapping[str, np.ndarray],
    drawing: np.ndarray,
    mask: np.ndarray | None = None,
    space: Space = LINEAR_REC709,
) -> ExemplarData:
    """Check that a keyframe and its drawing belong together.

    Raises:
        InputDataError: for a missing buffer, differing sizes, or an empty keyframe or drawing.
    """
    missing = [name for name in NEEDED if name not in buffers]
    if missing:
        raise InputDataError(
            "the keyframe lacks buffers", channel=", ".join(missing), fix="Render them, or map them under `channels`."
        )
    size = buffers["color"].shape[1:]
    mask = np.ones((1, *size), np.float32) if mask is None else mask
    for name, array in (("drawing", drawing), ("mask", mask)):
        if array.shape[1:] != size:
            raise InputDataError(
                f"the {name} is not registered to the keyframe", size=array.shape[1:], keyframe=size,
                fix="Save it at the keyframe's size, pixel for pixel.",
            )  # fmt: skip
    if not (buffers["part_id"].any() and buffers["object_id"].any()):
        raise InputDataError("the keyframe shows no surface", channel="part_id", fix="Check the id channels.")
    if not (drawing[3] * mask[0]).any():
        raise InputDataError("the drawing is empty", channel="A", fix="Check its alpha and the mask.")
    return ExemplarData(buffers, drawing, mask, space)


def load_exemplars(style: StyleConfig, base_url: str, space: Space = LINEAR_REC709) -> list[ExemplarData]:
    """Read every exemplar of a style from beside its style.yaml, in one colour space.

    Raises:
        InputDataError, RequestError: as the readers and `exemplar_from_arrays`.
    """
    from osf_pipeline.drawing.strip import read_strip
    from osf_pipeline.exr.keyframe import read_drawing, read_keyframe
    from osf_pipeline.layout import join

    found = []
    for entry in style.exemplars:
        mask = read_drawing(join(base_url, entry.mask))[:1] if entry.mask else None
        drawing = read_drawing(join(base_url, entry.drawing), space)
        exemplar = exemplar_from_arrays(read_keyframe(entry, base_url, space), drawing, mask, space)
        strip = read_strip(join(base_url, entry.strip).rsplit("/", 1)[0]) if entry.strip else None
        found.append(replace(exemplar, strip=strip))
    return found


def prepare(exemplar: ExemplarData, *, trim_halo: bool = True) -> PreparedExemplar:
    """Measure the line, trim its halo, find the limbs.

    Raises:
        InputDataError: for a keyframe that shows too little surface, or whose rest positions are all alike.
    """
    sheet = _cropped(exemplar)
    seen = sheet.rest[0, :, sheet.part[0, 0] > 0]
    rest_size = float((seen.amax(1) - seen.amin(1)).max())
    rule = rule_for(_pixel(sheet), rest_size)
    found = contours(sheet.depth, sheet.rest, sheet.normal, sheet.part, sheet.object, rule, sheet.color[:, 3:])
    # By coverage, not by `found.side`: ownership ends where a rounded rim falls away in depth, a drawn line does not.
    signed = torch.where(sheet.part > 0, found.distance, -found.distance)[0, 0].numpy()
    change = (on_white(sheet.target) - on_white(sheet.color))[0].norm(dim=0).numpy()
    drawn = change > INK_STEP
    counted = (sheet.weight[0, 0] > 0.5).numpy()
    profile = measure_line(signed, change, counted)
    if trim_halo and profile.halo:
        sheet = Sheet(**{**sheet.__dict__, "target": without_halo(sheet.target, profile.halo)})
    core = change * (drawn & counted & (signed >= profile.start) & (signed <= profile.stop))
    outlines = tuple(unrolled(sheet, core, profile))
    strokes = Strokes.of(outlines, rule.pixel)
    figure = Figure(sheet, find_limbs(sheet, rule.depth_gap, strokes), depth_gap=2 * rule.depth_gap)
    return PreparedExemplar(figure, rule, profile, outlines, torch.from_numpy(core))


def rest_box(exemplars: Sequence[PreparedExemplar]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Two corners of all rest positions, in scene units."""
    seen = torch.cat([e.figure.sheet.rest[0, :, e.figure.sheet.part[0, 0] > 0] for e in exemplars], 1)
    return tuple(seen.amin(1).tolist()), tuple(seen.amax(1).tolist())


def drawn_line(exemplars: Sequence[PreparedExemplar], withhold: Collection[str] = ()) -> Strokes:
    """The line of all drawings of a style, in pixels of the first."""
    pixel = exemplars[0].rule.pixel
    outlines = [outline.resized(e.rule.pixel / pixel) for e in exemplars for outline in e.outlines]
    return Strokes.of(
        [Stroke(o.values, rest_without(o.rest.T[None, :, None], withhold)[0, :, 0].T) for o in outlines], pixel
    )


def without_halo(target_B4HW: Tensor, halo: int) -> Tensor:
    """The drawing with the outermost `halo` pixels of its cut-out replaced by the nearest colour further in."""
    alpha = target_B4HW[:, 3:]
    solid = alpha[0, 0].numpy() > 0.5
    depth = ndimage.distance_transform_edt(solid)
    if not (depth > halo + 1).any():
        return target_B4HW
    rim = torch.from_numpy(depth <= halo + 1)  # its last pixel is half rim
    filled = nearest_of(straight(target_B4HW), ~rim.numpy())
    return torch.cat([torch.where(rim, filled, straight(target_B4HW)) * alpha, alpha], 1)


def find_limbs(sheet: Sheet, depth_gap: float, strokes: Strokes) -> list[Limb]:
    """Every chain of parts that hangs on the largest part of its object, as a limb of its own.

    Parts are joined where they touch without a step in depth; of several ways back to the largest part the one over the
    longest joint counts. A figure of one part or of small parts alone, and every object beside the main one, is a limb
    as a whole.
    """
    part, thing = sheet.part[0, 0].numpy().astype(np.int64), sheet.object[0, 0].numpy().astype(np.int64)
    depth = sheet.depth[0, 0].numpy()
    key = np.where(part > 0, thing * 65536 + part, 0)
    covered = (sheet.color[0, 3] > 0).numpy() | (sheet.target[0, 3] > 0).numpy()
    owner = nearest_of(torch.from_numpy(key)[None, None], key > 0)[0, 0].numpy() * covered
    touching = _joints(key, depth, depth_gap)
    sizes = {int(k): int((key == k).sum()) for k in np.unique(key[key > 0])}

    chains: list[set[int]] = []
    left = set(sizes)
    while left:
        root = max(left, key=lambda k: (sizes[k], -k))
        parent = _spanning_tree(root, touching)
        chains += [{k for k in parent if node in _ancestry(k, parent)} for node in parent if node != root]
        if len(parent) < len(sizes) or len(sizes) == 1:
            chains.append(set(parent))
        left -= set(parent)
    large = [chain for chain in chains if sum(sizes[k] for k in chain) >= SMALLEST_LIMB]
    limbs = []
    for chain in large or [set(sizes)]:
        surface = np.isin(key, list(chain))
        seam = surface & ndimage.binary_dilation(_beside(key, depth, depth_gap, chain))
        y, x = np.argwhere(surface).mean(0)
        limbs.append(
            Limb(
                torch.from_numpy(surface)[None, None],
                torch.from_numpy(np.isin(owner, list(chain)))[None, None],
                _redrawn(seam, sheet.rest, strokes),
                (round(float(x)), round(float(y))),
            )
        )
    return limbs


def _pixel(sheet: Sheet) -> float:
    """Scene units a pixel of the keyframe covers."""
    try:
        pixel = estimate_pixel(sheet.rest, sheet.normal, sheet.part)
    except ValueError as error:
        raise InputDataError(
            "the keyframe shows too little surface that faces the camera", channel="normal", fix="Render it larger."
        ) from error
    if not pixel > 0:
        raise InputDataError(
            "the keyframe's rest positions are all alike", channel="rest_position", fix="Check the rest position pass."
        )
    return pixel


def _redrawn(seam: np.ndarray, rest_13HW: Tensor, strokes: Strokes) -> Tensor:
    """(1, 4, H, W) scene-linear premultiplied: the drawn line laid along a cut, on both of its sides."""
    if not seam.any():
        return rest_13HW.new_zeros(1, 4, *seam.shape)
    away = torch.from_numpy(ndimage.distance_transform_edt(~seam).astype(np.float32))[None, None]
    line = strokes(away, torch.ones_like(away, dtype=torch.bool), rest_13HW)
    return torch.cat([srgb_decode(line[:, :3]) * line[:, 3:], line[:, 3:]], 1)


def _cropped(exemplar: ExemplarData) -> Sheet:
    """The figure's box with `BORDER` pixels of background on every side, as tensors."""
    shown = (exemplar.buffers["color"][3] > 0) | (exemplar.drawing[3] > 0)
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    box = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))

    def take(array: np.ndarray, background: float, dtype: torch.dtype = torch.float32) -> Tensor:
        edge = ((0, 0), (BORDER, BORDER), (BORDER, BORDER))
        padded = np.pad(array[box].astype(np.float32), edge, constant_values=background)
        return torch.from_numpy(padded)[None].to(dtype)

    b = exemplar.buffers
    return Sheet(
        color=take(b["color"], 0),
        target=from_drawing(take(exemplar.drawing, 0)),
        weight=take(exemplar.mask, 1),
        depth=take(b["depth"], np.inf),
        normal=take(b["normal"], 0),
        rest=take(b["rest_position"], 0),
        part=take(b["part_id"], 0, torch.int32),
        object=take(b["object_id"], 0, torch.int32),
    )


def _pairs(array: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Views of horizontally and vertically neighbouring pixels."""
    return [(array[:, :-1], array[:, 1:]), (array[:-1], array[1:])]


def _joints(key: np.ndarray, depth: np.ndarray, gap: float) -> dict[int, dict[int, int]]:
    """Length of the joint between every two parts that touch without a depth step."""
    length: dict[int, dict[int, int]] = {int(k): {} for k in np.unique(key[key > 0])}
    for (a, b), (za, zb) in zip(_pairs(key), _pairs(depth), strict=True):
        met = (a != b) & (a > 0) & (b > 0)
        met[met] = np.abs(za[met] - zb[met]) < gap
        for i, j in zip(a[met].tolist(), b[met].tolist(), strict=True):
            length[i][j] = length[i].get(j, 0) + 1
            length[j][i] = length[j].get(i, 0) + 1
    return length


def _spanning_tree(root: int, touching: dict[int, dict[int, int]]) -> dict[int, int]:
    """Node to parent (the root is its own), grown over the longest joint first."""
    parent = {root: root}
    while True:
        reach = [(n, node, other) for node in parent for other, n in touching[node].items() if other not in parent]
        if not reach:
            return parent
        _, node, other = max(reach, key=lambda r: (r[0], -r[2]))
        parent[other] = node


def _ancestry(node: int, parent: dict[int, int]) -> list[int]:
    """The node and everything between it and the root."""
    line = [node]
    while parent[line[-1]] != line[-1]:
        line.append(parent[line[-1]])
    return line


def _beside(key: np.ndarray, depth: np.ndarray, gap: float, chain: set[int]) -> np.ndarray:
    """(y, x) bool: pixels of other parts that touch the chain without a depth step."""
    found = np.zeros(key.shape, bool)
    inside = np.isin(key, list(chain))
    for (a, b), (za, zb), (ia, ib), (fa, fb) in zip(
        _pairs(key), _pairs(depth), _pairs(inside), _pairs(found), strict=True
    ):
        met = (ia != ib) & (a > 0) & (b > 0)
        met[met] = np.abs(za[met] - zb[met]) < gap
        fa |= met & ib
        fb |= met & ia
    return found
