"""What a figure looks like from behind, which no drawing shows: its colours without face and lines.

Belongs here: the picture of the back. Does not: where it goes on the mesh (`build`).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.cluster.vq import kmeans2

from osf_pipeline.character.bones import HEAD, DrawnBone
from osf_pipeline.color import lab

COLORS = 6
"""Colours a drawing is sorted into."""

BAND = 0.03
"""Breadth of the band along the outline, over the figure's longer side, whose regions go on behind."""

NAPE = 0.3
"""Where hair ends on the back of the head, over the way from neck to crown."""


def paint_back(
    fill: np.ndarray, mask: np.ndarray, head_region: np.ndarray, bones: tuple[DrawnBone, ...], line: float
) -> np.ndarray:
    """The back, seen through the figure: pixel (x, y) lies behind pixel (x, y) of the front.

    The figure's colours are sorted into regions. Regions that reach the outline continue on the back; those that do
    not (eyes, mouth, buttons) and those no wider than a line are taken over by what surrounds them. Where the crown
    is of another colour than the face it is hair, and covers the back of the head. Each region gets its own slowly
    changing colour and grain.

    Args:
        fill: (H, W, 3) float32 display-encoded sRGB, 0..1.
        mask: (H, W) bool.
        head_region: (H, W) bool, the head's part of the figure.
        bones: of the figure.
        line: width of the drawing's line in pixels.

    Returns:
        (H, W, 3) float32; continued beyond the mask.
    """
    rows, columns = np.nonzero(mask)
    longer = float(max(np.ptp(rows), np.ptp(columns))) + 1
    band = mask & (ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] <= max(BAND * longer, line))
    label = _sorted_colors(fill, mask, line)
    label = _regions(label, mask, band, line)
    label = _hair(label, head_region & mask, bones, band)
    return _painted(fill, label, mask, line, longer)


def _nearest(label: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Labels of `known` pixels, carried to all others."""
    if not known.any():
        return label
    place = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return label[tuple(place)]


def _lab(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) CIE L*a*b* of display-encoded RGB."""
    return np.moveaxis(lab(np.moveaxis(image, 2, 0)), 0, 2)


def _sorted_colors(fill: np.ndarray, mask: np.ndarray, line: float) -> np.ndarray:
    """(H, W) index of the colour each pixel has, by k-means in Lab; grain is evened out first."""
    size = 2 * round(max(line, 2) / 2) + 1
    even = np.stack([ndimage.median_filter(plane, size) for plane in np.moveaxis(fill, 2, 0)], axis=2)
    colors = _lab(even)
    inside = colors[mask]
    start = inside[:: max(1, len(inside) // 20000)]
    centres, _ = kmeans2(start, COLORS, minit="++", rng=np.random.default_rng(0))
    centres = _distinct(centres, start)
    gap = np.linalg.norm(colors[:, :, None] - centres, axis=3)
    return np.argmin(gap, axis=2)


def _distinct(centres: np.ndarray, samples: np.ndarray, least: float = 12.0) -> np.ndarray:
    """Colours closer than `least` Lab units are one: the mean of the two nearest, weighted, until none are."""
    centres = centres[np.isfinite(centres).all(axis=1)]
    count = np.bincount(np.argmin(np.linalg.norm(samples[:, None] - centres, axis=2), axis=1), minlength=len(centres))
    while len(centres) > 1:
        gap = np.linalg.norm(centres[:, None] - centres, axis=2) + np.diag(np.full(len(centres), np.inf))
        a, b = np.unravel_index(np.argmin(gap), gap.shape)
        if gap[a, b] >= least:
            break
        both = max(int(count[a] + count[b]), 1)
        centres[a] = (centres[a] * count[a] + centres[b] * count[b]) / both if count[a] + count[b] else centres[a]
        count[a] = both
        centres, count = np.delete(centres, b, axis=0), np.delete(count, b)
    return centres


def _regions(label: np.ndarray, mask: np.ndarray, band: np.ndarray, line: float) -> np.ndarray:
    """Labels of the regions that are broader than a line and reach the outline, carried over the others."""
    kept = np.zeros_like(mask)
    for value in np.unique(label[mask]):
        own = mask & (label == value)
        core = ndimage.distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1] > 0.8 * line + 1
        broad = own & (ndimage.distance_transform_edt(~core) <= 0.8 * line + 2) if core.any() else core
        pieces, count = ndimage.label(broad)
        reaching = np.unique(pieces[broad & band])
        area = ndimage.sum_labels(broad, pieces, np.arange(count + 1))
        reaching = reaching[(reaching > 0) & (area[reaching] >= 0.002 * mask.sum())]
        kept |= np.isin(pieces, reaching) & broad
    if not kept.any():
        kept = mask
    return _nearest(label, kept)


def _hair(label: np.ndarray, head: np.ndarray, bones: tuple[DrawnBone, ...], band: np.ndarray) -> np.ndarray:
    """The crown's colour over the back of the head, where it differs from the face's."""
    bone = next(bone for bone in bones if bone.chain == HEAD)
    axis = bone.tail - bone.head
    y, x = np.indices(label.shape)
    along = ((x - bone.head[0]) * axis[0] + (y - bone.head[1]) * axis[1]) / max(float(axis @ axis), 1e-9)
    crown, face = head & band & (along > 0.8), head & (along < 0.6)
    if not crown.any() or not face.any():
        return label
    hair, skin = (int(np.bincount(label[where]).argmax()) for where in (crown, face))
    if hair == skin:
        return label
    label = label.copy()
    label[head & (along > NAPE)] = hair
    return label


def _painted(fill: np.ndarray, label: np.ndarray, mask: np.ndarray, line: float, longer: float) -> np.ndarray:
    """Each region's colour: the drawing's own, evened out over lines and features, with a patch of its grain."""
    radius = max(3.0, 1.5 * line)
    soft = np.stack([ndimage.gaussian_filter(plane, radius) for plane in np.moveaxis(fill, 2, 0)], axis=2)
    grain = fill - soft
    painted = np.empty_like(fill)
    colors = _lab(np.stack([ndimage.median_filter(p, 5) for p in np.moveaxis(fill, 2, 0)], axis=2))
    for value in np.unique(label):
        own = label == value
        typical = np.median(colors[own & mask], axis=0) if (own & mask).any() else np.median(colors[mask], axis=0)
        gap = np.linalg.norm(colors - typical, axis=2)
        # Only pixels of the region's usual colour say what it is; lines and features do not.
        usual = own & mask & (gap <= max(8.0, float(np.percentile(gap[own & mask], 40)) if (own & mask).any() else 8.0))
        weight = ndimage.gaussian_filter(usual.astype(np.float32), 0.05 * longer)
        mean = fill[usual].mean(axis=0) if usual.any() else fill[mask].mean(axis=0)
        for channel in range(3):
            total = ndimage.gaussian_filter(np.where(usual, fill[:, :, channel], 0), 0.05 * longer)
            painted[own, channel] = ((total + 1e-3 * mean[channel]) / (weight + 1e-3))[own]
        clean = ndimage.binary_erosion(usual, iterations=2)
        room = ndimage.distance_transform_edt(ndimage.binary_closing(clean, iterations=2))
        painted[own] += _tiled(grain, room)[own]
    return np.clip(painted, 0, 1)


def _tiled(grain: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The grain in the largest square the region's clean pixels hold, mirrored over the whole picture."""
    y, x = np.unravel_index(np.argmax(room), room.shape)
    half = int(room[y, x] / np.sqrt(2))
    if half < 3:
        return np.zeros_like(grain)
    patch = grain[y - half : y + half, x - half : x + half]
    patch = patch - patch.mean(axis=(0, 1))

    def mirrored(n: int, size: int) -> np.ndarray:
        at = np.arange(n) % (2 * size)
        return np.minimum(at, 2 * size - 1 - at)

    return patch[mirrored(grain.shape[0], patch.shape[0])][:, mirrored(grain.shape[1], patch.shape[1])]
