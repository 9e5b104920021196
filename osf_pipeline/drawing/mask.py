"""Which pixels of a picture are the figure: from a mask that is given, or a cut-out's alpha, or found on plain paper.

Belongs here: masks, their checks, and the segmentation of drawings on paper. Does not: what is drawn inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.filters import apply_hysteresis_threshold

from osf_pipeline.drawing.outline import outlines
from osf_pipeline.drawing.picture import Picture, read_pixels
from osf_pipeline.errors import InputDataError

_CRUMB = 0.05  # of the largest piece: smaller pieces are dropped
_PINHOLE = 2e-4  # of the figure: smaller holes are filled
_GAP = 0.02  # of the picture's longer side: the outline may be open so far
_DOUBTFUL_GAP = 0.06  # and if a gap up to here changes the figure much, it is not known
_SKIRT = 5  # pixels over which ink may fade out into the paper
_ALONG = 31  # pixels of outline that agree on its skirt
_AROUND = np.ones((3, 3), bool)
_GIVE_MASK = "Give mask.png: white on the figure, black elsewhere, as large as the picture."


@dataclass(frozen=True)
class Figure:
    """Where the figure is on a picture of H x W pixels.

    Attributes:
        mask: (H, W) bool, one component.
        alpha: (H, W) float32 coverage, at least 0.5 exactly where `mask`.
        findings: what was found and how sure, a sentence each.
    """

    mask: np.ndarray
    alpha: np.ndarray
    findings: tuple[str, ...]


def read_mask(url: str, picture: Picture) -> Figure:
    """The figure from a mask file: its alpha where it has one, else its brightness; at least half is figure.

    The mask is kept as given but for crumbs and pinholes. It has the size of the picture's file, or its proportions.

    Raises:
        InputDataError: when the file cannot be read, has other proportions, selects nothing or all, or has several
            large pieces.
    """
    height, width = picture.rgb.shape[:2]
    pixels, size = read_pixels(url, max(height, width))
    if size != picture.size and abs(size[0] * picture.size[1] / (size[1] * picture.size[0]) - 1) > 0.01:
        raise InputDataError(
            "the mask has another size than the picture", file=url, value=f"{size[0]}x{size[1]}",
            picture=f"{picture.size[0]}x{picture.size[1]}", fix="Make the mask on the picture, without cropping.",
        )  # fmt: skip
    coverage = pixels[..., 3] if pixels[..., 3].min() < 1 else pixels[..., :3].mean(axis=2)
    if coverage.shape != (height, width):  # a smaller mask, or one rounded otherwise
        resized = PIL.Image.fromarray(coverage).resize((width, height), PIL.Image.Resampling.BILINEAR)
        coverage = np.asarray(resized, np.float32)
    return _checked(coverage, url, ())


def find_figure(picture: Picture) -> Figure:
    """The figure of a picture without a mask: its alpha when it is a cut-out, else segmented from plain paper.

    Raises:
        InputDataError: when the alpha is no sound mask, or no figure is found that is sure enough.
    """
    if picture.alpha is not None:
        return _checked(picture.alpha, None, ("the figure is the picture's alpha",))
    return _segmented(picture.rgb)


def _checked(coverage: np.ndarray, url: str | None, findings: tuple[str, ...]) -> Figure:
    solid = coverage >= 0.5
    if not solid.any():
        raise InputDataError("the mask is empty", file=url, fix="Paint the figure white (or opaque) in it.")
    if solid.all():
        raise InputDataError("the mask selects the whole picture", file=url, fix="Paint the background black in it.")
    labels, _ = ndimage.label(solid, _AROUND)
    areas = np.bincount(labels.ravel())[1:]
    order = np.argsort(-areas, kind="stable")
    largest = int(areas[order[0]])
    rivals = [int(areas[piece]) for piece in order[1:] if areas[piece] >= _CRUMB * largest]
    if rivals:
        raise InputDataError(
            "the mask has several large pieces", file=url, areas=[largest, *rivals],
            fix="Join the pieces of one figure, or keep one figure a mask.",
        )  # fmt: skip
    mask = labels == order[0] + 1
    if len(areas) > 1:
        findings += (f"{len(areas) - 1} crumbs of {int(areas.sum()) - largest} pixels left out of the mask",)
    whole, pinholes = _without_pinholes(mask)
    if pinholes:
        findings += (f"{pinholes} pinholes of the mask filled",)
    return Figure(whole, _soft(whole, coverage), findings)


def _without_pinholes(mask: np.ndarray) -> tuple[np.ndarray, int]:
    holes, _ = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    areas = np.bincount(holes.ravel())
    small = areas <= max(_PINHOLE * mask.sum(), 2)
    small[0] = False
    return mask | small[holes], int(small.sum())


def _soft(mask: np.ndarray, coverage: np.ndarray | None = None) -> np.ndarray:
    """(H, W) float32 coverage: what the file says where it is soft, else the stairs of the mask melted by a pixel."""
    melted = ndimage.gaussian_filter(mask.astype(np.float32), 0.7)
    given = coverage is not None and ((coverage > 0.02) & (coverage < 0.98)).any()
    alpha = coverage if coverage is not None and given else melted
    near = ndimage.binary_dilation(mask, _AROUND)
    return np.where(mask, np.maximum(alpha, 0.5), np.where(near, np.minimum(alpha, 0.498), 0)).astype(np.float32)


def _segmented(rgb: np.ndarray) -> Figure:
    """Ink is what differs from the paper's own light; the figure is ink and what ink encloses."""
    paper, plain = _paper(rgb)
    if plain < 0.6:
        raise InputDataError("the background is no plain paper", value=f"{plain:.0%} of the border", fix=_GIVE_MASK)
    apart = ndimage.gaussian_filter(np.abs(1 - rgb / paper).max(axis=2), 0.5)
    middle = float(np.median(apart))
    low = max(0.04, middle + 4 * 1.4826 * float(np.median(np.abs(apart - middle))))
    ink = apply_hysteresis_threshold(apart, low, 2 * low)
    if ink.mean() < 1e-3:
        raise InputDataError("no drawing is seen on the paper", value=f"{ink.mean():.2%} ink", fix=_GIVE_MASK)

    side = max(rgb.shape[:2])
    closed, wide = _enclosed(ink, _GAP * side, _DOUBTFUL_GAP * side)
    figure, second = _largest(closed)
    more = _largest(wide)[0].sum() / figure.sum() - 1
    border = np.concatenate([figure[0], figure[-1], figure[:, 0], figure[:, -1]]).mean()
    doubts = {
        f"a second drawing of {second:.0%} of its size": second > 0.25,
        f"{figure.mean():.1%} of the picture": not 0.005 < figure.mean() < 0.85,
        f"{border:.0%} of the picture's border": border > 0.2,
        f"an open outline; closing it would enclose {more:.0%} more": more > 0.5,
    }
    for doubt, holds in doubts.items():
        if holds:
            raise InputDataError("the figure cannot be told from its background surely", found=doubt, fix=_GIVE_MASK)
    coloured = (ink & figure).sum() / figure.sum()
    figure, coverage = _at_half_strength(figure, apart)
    findings = (
        f"the figure was found on plain paper: ink or colour on {coloured:.0%} of it, the rest enclosed by it",
        f"ink differs from the paper by more than {low:.0%}; the next largest piece has {second:.0%} of the area",
    )
    return Figure(figure, _soft(figure, coverage), findings)


def _at_half_strength(figure: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The figure up to where the ink of its border has half its strength, and how much of each pixel is covered.

    Ink fades into paper over a pixel or more; a mask that holds the whole of that skirt gives every cut-out a pale rim.
    How broad the skirt is, is told along the outline's normals; where the line has a gap, by what lies beside it.

    Args:
        figure: (H, W) bool, with its skirt.
        apart: (H, W), how far each pixel is from paper.
    """
    found = outlines(figure)
    step = 0.25
    depth = np.arange(0, 2 * _SKIRT, step)
    skirts = []
    for outline in found:
        profile = outline.unroll(apart[..., None], depth)[..., 0]
        skirt = step * (profile >= 0.5 * profile.max(axis=1, keepdims=True)).argmax(axis=1)
        usual = ndimage.median_filter(skirt, min(_ALONG, len(skirt)), mode="wrap")
        skirts.append(ndimage.gaussian_filter1d(np.clip(skirt, usual - 1, usual + 1), 1.0, mode="wrap"))
    path = np.concatenate([outline.path for outline in found])
    inward, skirt = np.concatenate([outline.inward for outline in found]), np.concatenate(skirts)
    y, x = np.nonzero(ndimage.binary_dilation(figure, _AROUND) & ~ndimage.binary_erosion(figure, _AROUND, 3 * _SKIRT))
    _, nearest = cKDTree(path).query(np.stack([x, y], axis=1))
    inside = ((np.stack([x, y], axis=1) - path[nearest]) * inward[nearest]).sum(axis=1) - skirt[nearest]
    coverage = figure.astype(np.float64)
    coverage[y, x] = np.clip(inside + 0.5, 0, 1)
    return _largest(coverage >= 0.5)[0], coverage


def _paper(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    """(H, W, 3) colour of the bare paper in the light that falls on it, and the share of the border that is so.

    The logarithm of the light is a cubic polynomial of the position, fitted to the pixels that agree with it; the fit
    starts from the picture's border.
    """
    height, width = rgb.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    basis = np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], axis=-1).reshape(height * width, -1)
    light = np.log(np.maximum(rgb.reshape(-1, 3), 1 / 255))
    frame = np.ones((height, width), bool)
    rim = max(2, min(height, width) // 25)
    frame[rim:-rim, rim:-rim] = False
    step = max(1, int(np.sqrt(height * width / 40_000)))
    some = np.arange(height * width).reshape(height, width)[::step, ::step].ravel()
    bare = np.abs(light[some] - np.median(light[frame.ravel()], axis=0)).max(axis=1) < 0.25
    fit = np.zeros((basis.shape[1], 3))
    for _ in range(12):
        fit = np.linalg.lstsq(basis[some][bare], light[some][bare], rcond=None)[0]
        off = light[some] - basis[some] @ fit
        spread = np.maximum(1.4826 * np.median(np.abs(off[bare]), axis=0), 0.008)
        agreeing = (np.abs(off) < 3 * spread).all(axis=1)
        if (agreeing == bare).all():
            break
        bare = agreeing
    paper = np.exp(basis @ fit).reshape(rgb.shape)
    return paper, float((np.abs(np.log(np.maximum(rgb, 1 / 255) / paper)).max(axis=2)[frame] < 0.15).mean())


def _enclosed(ink: np.ndarray, gap: float, wide: float) -> tuple[np.ndarray, np.ndarray]:
    """Ink and the areas it encloses, also where the line has gaps of up to `gap` pixels, and of up to `wide`.

    A ball that fits through the gap rolls in from the border; what it cannot reach is enclosed. Radii grow, and an
    area counts only if it is clearly wider than the ball: so a gap closes, while the angle between two limbs is kept.
    """
    margin = int(np.ceil(wide)) + 2
    distance = ndimage.distance_transform_edt(~np.pad(ink, margin))
    figure = closed = distance == 0
    for radius in (0, *np.geomspace(0.5, gap / 2, 7), *np.geomspace(gap / 2, wide / 2, 4)[1:]):
        labels, count = ndimage.label(distance > radius)
        widest = np.concatenate([[0], ndimage.maximum(distance, labels, np.arange(1, count + 1))])
        pocket = widest > 3 * radius
        pocket[[0, labels[0, 0]]] = False
        pockets = pocket[labels]
        if (pockets & ~figure).any():
            figure = figure | (ndimage.distance_transform_edt(~pockets) <= radius)
        if radius <= gap / 2:
            closed = figure
    inside = (slice(margin, -margin),) * 2
    return closed[inside], figure[inside]


def _largest(figure: np.ndarray) -> tuple[np.ndarray, float]:
    """The largest component, and the area of the second in shares of it."""
    labels, _ = ndimage.label(figure, _AROUND)
    areas = np.bincount(labels.ravel(), minlength=3)
    areas[0] = 0
    first, second = np.argsort(-areas, kind="stable")[:2]
    return labels == first, float(areas[second] / areas[first])
