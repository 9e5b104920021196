"""What a figure looks like from behind, which no drawing shows: its colours without face and lines.

Belongs here: the picture of the back. Does not: where it goes on the mesh (`build`).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, signal
from skimage.transform import resize

from osf_pipeline.character.bones import HEAD, DrawnBone
from osf_pipeline.color import lab

ALIKE = 24.0
"""Distance in CIE Lab below which two colours are one."""

BIN, RARE = 6.0, 0.002
"""CIE Lab units in which colours are counted, and the share of the figure below which a colour is none of its own."""

EDGE, BAND = 0.012, 0.03
"""Over the figure's longer side: how near to the outline regions must come that go on behind, and the breadth of the
band along the outline in which hair is told from skin and no feature of a face is looked for."""

LARGE = 0.12
"""Regions that cover this share of the figure go on behind even if they do not reach the outline."""

NAPE = 0.3
"""Where hair ends in the middle of the back of the head, over the way from neck to crown."""

FEATURES, DARKER = 0.004, 15.0
"""A head has a face where this share of it is darker than its back by so much CIE L*: eyes, nose and mouth."""


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
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    front = _sorted_colors(fill, mask, line)
    kept = _regions(front, mask, depth, mask & (depth <= max(EDGE * longer, line)), line)
    label = _nearest(front, kept)
    head = head_region & mask
    painted = _painted(fill, front, label, mask, longer)
    darker = _lab(painted)[..., 0] - _lab(fill)[..., 0] > DARKER
    features = head & darker & (depth > max(BAND * longer, 2 * line))
    if features.sum() > FEATURES * head.sum():
        label = _hair(label, head, bones, depth <= BAND * longer)
        painted = _painted(fill, front, label, mask, longer)
    return painted


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
    """(H, W) index of the nearest of the figure's colours; grain is evened out first.

    The colours are the most frequent ones that lie `ALIKE` apart (popularity algorithm, Heckbert 1982).
    """
    step = max(1.0, line / 3)
    small = resize(fill, [round(side / step) for side in mask.shape], order=1, anti_aliasing=step > 1)
    median = np.stack([ndimage.median_filter(plane, 5) for plane in np.moveaxis(small, 2, 0)], axis=2)
    colors = _lab(resize(median, mask.shape, order=1))
    _, member, count = np.unique(np.round(colors[mask] / BIN), axis=0, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(member.ravel(), plane) for plane in colors[mask].T], axis=1) / count[:, None]
    chosen: list[np.ndarray] = []
    for index in np.argsort(-count, kind="stable"):
        if count[index] >= RARE * mask.sum() and all(np.linalg.norm(means[index] - c) >= ALIKE for c in chosen):
            chosen.append(means[index])
    gap = np.stack([np.linalg.norm(colors - c, axis=2) for c in chosen or [means.mean(axis=0)]])
    return np.argmin(gap, axis=0)


def _regions(label: np.ndarray, mask: np.ndarray, depth: np.ndarray, band: np.ndarray, line: float) -> np.ndarray:
    """(H, W) bool: pixels of regions that go on behind."""
    # A limb as thin as a line is all there is of it.
    thick = depth > 1.2 * line
    kept = mask & (ndimage.distance_transform_edt(~thick) > 1.2 * line + 1) if thick.any() else mask.copy()
    for value in np.unique(label[mask]):
        own = mask & (label == value)
        core = ndimage.distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1] > 0.8 * line + 1
        broad = own & (ndimage.distance_transform_edt(~core) <= 0.8 * line + 2) if core.any() else core
        pieces, count = ndimage.label(broad)
        area = ndimage.sum_labels(broad, pieces, np.arange(count + 1))
        wanted = area >= LARGE * mask.sum()
        wanted[np.unique(pieces[broad & band])] |= area[np.unique(pieces[broad & band])] >= 0.002 * mask.sum()
        wanted[0] = False
        kept |= wanted[pieces]
    return kept if kept.any() else mask


def _hair(label: np.ndarray, head: np.ndarray, bones: tuple[DrawnBone, ...], band: np.ndarray) -> np.ndarray:
    """The crown's colour over the back of the head, where it differs from the face's.

    It begins at the outline where it does in front, and comes down towards the nape between.
    """
    bone = next(bone for bone in bones if bone.chain == HEAD)
    axis = bone.tail - bone.head
    length = float(np.linalg.norm(axis))
    y, x = np.indices(label.shape)
    along = ((x - bone.head[0]) * axis[0] + (y - bone.head[1]) * axis[1]) / length**2
    across = ((x - bone.head[0]) * -axis[1] + (y - bone.head[1]) * axis[0]) / length**2
    crown, face = head & band & (along > 0.8), head & ~band & (along < 0.6)
    if not crown.any() or not face.any():
        return label
    hair, skin = (int(np.bincount(label[where]).argmax()) for where in (crown, face))
    if hair == skin:
        return label
    low = np.full(2, 1.0)
    wide = np.full(2, 0.1)
    for side, half in enumerate((across < 0, across >= 0)):
        line = head & band & half & (label == hair)
        low[side] = np.percentile(along[line], 5) if line.any() else 1.0
        wide[side] = np.percentile(np.abs(across[head & half & (along > 0)]), 98) if (head & half).any() else 0.1
    side = (across >= 0).astype(int)
    reach = np.clip(np.abs(across) / wide[side], 0, 1)
    nape = min(NAPE, *low)  # long hair goes down to where it ends at the sides
    border = nape + (low[side] - nape) * reach**2
    return np.where(head & (along > border), hair, label)


def _painted(fill: np.ndarray, front: np.ndarray, label: np.ndarray, mask: np.ndarray, longer: float) -> np.ndarray:
    """Each region's colour: the drawing's own, evened out over lines and features, with its grain."""
    even = np.stack([ndimage.median_filter(plane, 5) for plane in np.moveaxis(fill, 2, 0)], axis=2)
    colors = _lab(even)
    noise = np.random.default_rng(0).standard_normal(label.shape)
    painted = np.empty_like(fill)
    for value in np.unique(label):
        own = label == value
        inside = mask & (front == value)
        gap = np.linalg.norm(colors - np.median(colors[inside], axis=0), axis=2)
        # Only pixels of the region's usual colour say what it is; lines and features do not.
        usual = inside & (gap <= max(8.0, float(np.percentile(gap[inside], 40))))
        mean = even[usual].mean(axis=0)
        weight = ndimage.gaussian_filter(usual.astype(np.float32), 0.05 * longer, truncate=2.5)[own] + 1e-3
        for channel in range(3):
            total = ndimage.gaussian_filter(np.where(usual, even[:, :, channel], 0), 0.05 * longer, truncate=2.5)[own]
            painted[own, channel] = (total + 1e-3 * mean[channel]) / weight
        painted[own] += _grain(fill, usual, noise, 0.02 * longer)[own]
    return np.clip(painted, 0, 1)


def _grain(fill: np.ndarray, usual: np.ndarray, noise: np.ndarray, coarsest: float) -> np.ndarray:
    """(H, W, 3) noise that looks like the grain of the largest square of `usual` pixels: spot noise (van Wijk 1991).

    White noise filtered with the patch has the patch's spectrum, and no period to see.
    """
    room = ndimage.distance_transform_edt(np.pad(ndimage.binary_closing(usual, iterations=2), 1))[1:-1, 1:-1]
    y, x = np.unravel_index(np.argmax(room), room.shape)
    half = int(room[y, x] / np.sqrt(2))
    if half < 4:
        return np.zeros_like(fill)
    square = np.s_[y - half : y + half, x - half : x + half]
    planes = np.moveaxis(fill[square], 2, 0)
    # A line across the patch is no grain, nor part of what the grain differs from.
    grain = usual[square].astype(np.float64)
    share = ndimage.gaussian_filter(grain, coarsest) + 1e-9
    low = np.stack([ndimage.gaussian_filter(plane * grain, coarsest) / share for plane in planes])
    fine = grain * (planes - low)
    usual_size = 1.4826 * np.median(np.abs(fine), axis=(1, 2), keepdims=True)
    fine[:, (np.abs(fine) > 5 * usual_size).any(axis=0)] = 0
    fine -= fine.mean(axis=(1, 2), keepdims=True)
    made = [signal.oaconvolve(noise, plane, mode="same") for plane in fine]
    return np.stack(made, axis=2) / (2 * half)
