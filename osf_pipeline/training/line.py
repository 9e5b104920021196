"""The drawn line of an exemplar: where it lies about its contour, and what it looks like along its length.

Belongs here: measuring and unrolling the line of one drawing. Does not: laying it along contours (`model.strokes`),
limbs (`exemplar`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.color import display_premultiplied, srgb_decode, srgb_encode, straight
from model.compositing import Sheet
from model.strokes import FINE, NOWHERE, WIDEST, Stroke
from osf_pipeline.drawing.outline import Outline, outlines

INK_STEP = 0.15
"""A pixel is drawn on where drawing and render differ by more (L2 of display-encoded RGB on white)."""

FEWEST = 16
"""Pixels at one distance from the contour that say whether a line lies there."""

SHORTEST = 24
"""Pixels; borders of smaller holes and islands are no outline to learn from."""

INK_SPREAD = 6.0
"""Pixels over which the ink's colour is taken for one."""

ALIKE, TELLING = 0.15, 0.3
"""Difference (premultiplied display-encoded RGBA) of ink and what lies below, up to which nothing can be said of the
ink's opacity, and from which on it is sure."""

STRONG = 0.05
"""Share of the strongest ink below which a place says nothing of the ink's colour."""

PALE = 0.03
"""Weight of bare paper against ink where the ink's colour is found."""

STRETCH = 40
"""Pixels of length, to either side, over which a line keeps its breadth about: what sticks out is another stroke."""

ODD, ODD_PIXELS, ODDER = 0.2, 1.0, 2.5
"""A row is not the line alone if it differs from the rows around by more than this share of the line's breadth, and
pixels on top, and than so many times what rows mostly differ by."""

RIM = 2.0
"""Pixels from a cut-out's border in which a mix of ink and paper is the ink's edge, and not paper left bare."""

SWELL = 1.8
"""The line may become so many times broader than it mostly is."""


@dataclass(frozen=True)
class LineProfile:
    """Where the drawn line lies, in pixels of signed distance to the contour, positive on the owner's surface.

    Attributes:
        start, stop: the run of distances with at least half of the greatest ink share.
        halo: pixels at the surface's edge with less than `FULL` of the ink's strength: the pale rim a cut-out leaves
            outside its line.
        share: ink share per pixel of distance, from -LineProfile.REACH up.
    """

    start: float
    stop: float
    halo: int
    share: tuple[float, ...]

    REACH = 24
    FULL = 0.8
    WIDEST_HALO = 3

    @property
    def stroke(self) -> float:
        """Width of the line."""
        return self.stop - self.start


def measure_line(signed: np.ndarray, change: np.ndarray, counted: np.ndarray) -> LineProfile:
    """Ink share per pixel of signed distance, and the half-maximum run around its peak; from 0 to 0 without enough ink.

    Args:
        signed: (y, x) signed contour distance in pixels.
        change: (y, x) float, how far the drawing differs from the render; ink from `INK_STEP` on.
        counted: (y, x) bool, pixels to look at.
    """
    reach = LineProfile.REACH
    near = counted & (np.abs(signed) < reach)
    bins = np.floor(signed[near]).astype(int) + reach
    total = np.bincount(bins, minlength=2 * reach)
    share = np.bincount(bins, change[near] > INK_STEP, 2 * reach) / np.maximum(total, 1)
    strength = np.bincount(bins, change[near], 2 * reach) / np.maximum(total, 1)
    told = np.where(total >= FEWEST, share, 0)
    if not told.any():
        return LineProfile(0, 0, 0, tuple(share.round(4).tolist()))
    peak = int(np.argmax(told))
    low, high = peak, peak
    while low > 0 and share[low - 1] >= share[peak] / 2:
        low -= 1
    while high < 2 * reach - 1 and share[high + 1] >= share[peak] / 2:
        high += 1
    full = int(np.argmax(strength >= LineProfile.FULL * strength[low : high + 1].max())) - reach
    halo = full if low >= reach and full <= LineProfile.WIDEST_HALO else 0
    return LineProfile(float(low - reach), float(high + 1 - reach), halo, tuple(share.round(4).tolist()))


def unrolled(sheet: Sheet, core: np.ndarray, profile: LineProfile) -> Iterator[Stroke]:
    """Every outline of the figure, straightened.

    The drawing is the line over the render: T = L + R (1 - a). With the ink's colour known from its strongest places
    nearby, a is found by projection, and is taken from its neighbours along the line where ink and render look alike.
    Lines of paper, left bare beside the ink, are found alike with white as the ink.

    Args:
        core: (y, x) float, how far the drawing differs from the render where the line is sure to be, else 0.
    """
    if not core.any():
        return
    surface = sheet.part[0, 0].numpy() > 0
    below, drawing = (image[0].numpy().astype(np.float64) for image in (sheet.color, sheet.target))
    paper = np.ones_like(below)
    bare, _ = _projection(drawing, below, paper)
    change, by_paper = (_squared(drawing - layer) for layer in (below, below + bare * (paper - below)))
    ink = _premultiplied(_ink(sheet, core, by_paper < 0.5 * change))
    opacity, sure = _projection(drawing, below, ink)
    left = drawing - below - opacity * (ink - below)
    deep = ndimage.distance_transform_edt(surface)
    is_bare = (by_paper < 0.5 * _squared(left)) & (bare > 0.1) & (deep > RIM)
    # What the ink of hereabouts leaves unexplained is the ink's own colour here, as far as it covers.
    shade = srgb_encode(torch.from_numpy(ink + opacity * left)[:3]).numpy()
    opacity, color = np.where(is_bare, bare, opacity), np.where(is_bare, 1.0, shade)

    reach = int(min(WIDEST, np.ceil(SWELL * max(profile.stop, -profile.start, 1) + 2)))
    distance = np.arange(-reach * FINE, reach * FINE + 1) / FINE
    inner, outer = SWELL * profile.stop, SWELL * max(-profile.start, 1.0)
    fade = np.clip((inner - distance) / 2 + 1, 0, 1) * np.clip(outer + distance + 1, 0, 1)
    image = np.concatenate([color * opacity, opacity[None], color, sure[None]])
    rest = sheet.rest[0].numpy()
    rows, columns = ndimage.distance_transform_edt(~surface, return_distances=False, return_indices=True)
    learnt = sheet.weight[0, 0].numpy() > 0.5
    for outline in outlines(surface):
        if len(outline.path) < SHORTEST:
            continue
        seen = _across(outline, image, distance)
        # Beyond the middle of a thin limb lies the line of its other side.
        own = outline.unroll(deep[..., None], distance)[..., 0] > distance - 1
        alpha = _steady(seen[..., 3], seen[..., 7] * own) * fade
        shown = seen[..., 3:4] > 0.02
        rgb = np.where(shown, seen[..., :3] / np.maximum(seen[..., 3:4], 0.02), seen[..., 4:7]).clip(0, 1)
        x, y = (np.rint(outline.path[:, i]).astype(int).clip(0, surface.shape[1 - i] - 1) for i in (0, 1))
        usable = learnt[y, x]
        if not usable.any():
            continue
        alone = usable & _alone(alpha, alpha * (1 - rgb.mean(2)), distance)
        usable = alone if alone.any() else usable  # a line as rough as that has no usual row
        values = np.concatenate([rgb, _bounded(alpha, distance)[..., None]], 2)[_continued(usable)]
        place = np.where(usable, rest[:, rows[y, x], columns[y, x]], NOWHERE).T
        yield Stroke(*(torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in (values, place)))


def _squared(layer: np.ndarray) -> np.ndarray:
    return np.square(layer).sum(0)


def _ink(sheet: Sheet, core: np.ndarray, pale: np.ndarray) -> np.ndarray:
    """(3, y, x) display-encoded straight colour of the ink hereabouts: faint and half-covered places hardly count, and
    neither do `pale` ones beside other ink, which are bare paper."""
    weight = core**4 * np.where(pale, PALE, 1)
    drawn = srgb_encode(straight(sheet.target))[0].numpy() * weight
    total = ndimage.gaussian_filter(weight, INK_SPREAD, truncate=3)
    mean = np.stack([ndimage.gaussian_filter(plane, INK_SPREAD, truncate=3) for plane in drawn])
    found = total > STRONG * total.max()
    return nearest_of(torch.from_numpy(mean / np.maximum(total, 1e-12))[None], found)[0].numpy()


def _premultiplied(display_3HW: np.ndarray) -> np.ndarray:
    """Opaque scene-linear RGBA."""
    linear = srgb_decode(torch.from_numpy(display_3HW)).numpy()
    return np.concatenate([linear, np.ones_like(linear[:1])])


def _projection(drawing: np.ndarray, below: np.ndarray, top: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Opacity of `top` that explains the drawing best, and how sure that is, both (y, x) in 0..1."""
    span = top - below
    opacity = ((drawing - below) * span).sum(0) / np.maximum(np.square(span).sum(0), 1e-9)
    shown = (display_premultiplied(torch.from_numpy(layer)[None])[0].numpy() for layer in (top, below))
    contrast = np.linalg.norm(np.subtract(*shown), axis=0)
    return opacity.clip(0, 1), ((contrast - ALIKE) / (TELLING - ALIKE)).clip(0, 1)


def _across(outline: Outline, image: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(S, D, C) cubic samples: bilinear ones would soften the grain."""
    where = outline.points(depth)[..., ::-1].transpose(2, 0, 1)
    planes = [ndimage.map_coordinates(plane, where, order=3, mode="nearest") for plane in image]
    return np.stack(planes, axis=-1).clip(0, 1)


def _steady(alpha: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Opacity where it is sure, else that of sure neighbours along the line, else the line's mean."""
    weight = sure**2
    mean = (alpha * weight).sum(0) / np.maximum(weight.sum(0), 1e-6)
    total, near = (ndimage.gaussian_filter1d(x, INK_SPREAD, axis=0, mode="wrap") for x in (weight, alpha * weight))
    return alpha * sure + (near + 1e-3 * mean) / (total + 1e-3) * (1 - sure)


def _usual_breadth(alpha: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(S,) pixels of the surface that the line mostly covers hereabouts."""
    return ndimage.median_filter(alpha[:, distance >= 0].sum(1), 2 * STRETCH + 1, mode="wrap") / FINE


def _bounded(alpha: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The line without what reaches far in."""
    return alpha * (1.2 * _usual_breadth(alpha, distance)[:, None] + 2 - distance).clip(0, 1)


def _alone(alpha: np.ndarray, ink: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(S,) bool: rows that no other stroke crosses or leaves, by opacity and darkness, both (S, D)."""
    usual, within = _usual_breadth(alpha, distance), distance >= 0
    odd = np.zeros(len(alpha), bool)
    for plane in (alpha[:, within], ink[:, within]):
        around = ndimage.median_filter(plane, (2 * STRETCH + 1, 1), mode="wrap")
        by = np.abs(plane - around).sum(1) / FINE
        odd |= by > np.maximum(ODD * usual + ODD_PIXELS, ODDER * np.median(by))
    return ~ndimage.maximum_filter1d(odd, 5, mode="wrap")


def _continued(usable: np.ndarray) -> np.ndarray:
    """(S,) for every row of a closed line itself, or the usable row that stands in for it: those on either side of a
    gap go on into it mirrored, so that its rows are as varied as any."""
    (kept,) = usable.nonzero()
    count, row = len(usable), np.arange(len(usable))
    after = np.searchsorted(kept, row)
    to_left, to_right = (row - kept[after - 1]) % count, (kept[after % len(kept)] - row) % count
    mirrored = np.where(to_left < to_right, after - to_left, after + to_right - 1)
    return np.where(usable, row, kept[mirrored % len(kept)])


def nearest_of(image_1CHW: Tensor, valid: np.ndarray) -> Tensor:
    """Every pixel takes the value of the nearest valid one."""
    rows, columns = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return image_1CHW[:, :, torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]
