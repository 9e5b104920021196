"""The line drawn along the silhouette: where it runs, how broad and of which ink it is, which pixels it covers.

The picture is unrolled along the border of the figure, where the outline becomes a dark band along the rows.
Belongs here: finding that band and cutting it out. Does not: colour put in its place (`fill`), its file (`strip`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from osf_pipeline.drawing.outline import Outline

_STEP = 0.5  # pixels between samples across the line
_OUTSIDE = 8.0  # pixels unrolled outside of the figure
_CONTRAST = 0.06  # of full scale: fainter valleys are the paper's grain
_EDGE = 0.45  # of its strength: there a line ends
_RISE = 0.5  # of a valley's fall
_FAINT = 0.25  # of the typical strength: fainter valleys are colouring
_SAME_PEN = 0.25  # of the pen's distance from the paper: colours that near are one pen's
_BROAD = 2.5  # typical widths: broader ink is an area of colour, or a branch
_GAP = 4.0  # typical widths: the line goes on over shorter gaps (corners, branches), shorter pieces are none
_RIM = 6.0  # pixels of bare paper a mask may leave where no line tells
_FOOT = 0.12  # of its strength: there its soft edge has faded
_HALO = 1.0  # pixels of ink-stained edge taken away with the line
_AROUND = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Line:
    """What is drawn along one outline of S samples.

    Attributes:
        outline: the path it follows.
        found: (S,) bool, a line runs here; elsewhere colour, or a limb that is a single stroke, meets the paper.
        outer, inner: (S,) float64 pixels from the outline to the line's borders, outwards and inwards. `outer` is
            negative where bare paper lies between the outline and the line. Both 0 where there is no line.
        cut: (S,) float64 pixels to take away inwards: bare paper and the line, with their soft edges.
        ink, beneath, paper: (S, 3) float64 colours of the full line, of the figure just inside of it, and of the
            paper outside; the ink of the nearest line where there is none.
        width: typical width of the line in pixels; 0 without any.
    """

    outline: Outline
    found: np.ndarray
    outer: np.ndarray
    inner: np.ndarray
    cut: np.ndarray
    ink: np.ndarray
    beneath: np.ndarray
    paper: np.ndarray
    width: float

    @property
    def darkness(self) -> np.ndarray:
        """(S,) float64 0..1, the largest difference of a channel between what is beneath and the ink."""
        return np.where(self.found, (self.beneath - self.ink).max(axis=1).clip(0, 1), 0)


@dataclass(frozen=True)
class Cut:
    """What is taken out of a figure.

    Attributes:
        contour: (H, W) bool, within the mask: the outline and bare paper beside it.
        strokes: (H, W) bool, what stays and is no source of the colour beneath: ink that runs into the cut, and the
            roots of limbs without a line.
    """

    contour: np.ndarray
    strokes: np.ndarray


def find_line(rgb: np.ndarray, mask: np.ndarray, outline: Outline) -> Line:
    """Follow the line drawn along an outline.

    Ink darkens: a line is a valley in some channel of the profile across the outline, between the paper and the
    figure's colour. Each profile ends at the figure's medial axis, so a limb that is one stroke shows no colour beyond
    the ink and has no line: its ink is its colour. Where the profile shows no line, only bare paper is cut. On colour
    nearly as dark as the ink the valley is no clear one; there the pen is known by its colour and width elsewhere.

    Args:
        rgb: (H, W, 3) float32 display-encoded.
        mask: (H, W) bool.
    """
    reach = float(np.clip(0.1 * np.sqrt(mask.sum()), 8, 48))
    depth = np.arange(-_OUTSIDE, reach, _STEP)
    colour = ndimage.gaussian_filter1d(outline.unroll(rgb, depth), 1.0, axis=0, mode="wrap")
    near = _near_side(mask, outline, depth)

    first = _follow(colour, near, depth, reach / 2, reach, 0.0)
    drawn = first.peak > _CONTRAST
    width = _weighted_median(first.width[drawn], first.peak[drawn])
    limit = _rim(first.start[drawn]) + width
    broad = max(_BROAD * width, 3.0)
    paper, own, bare = _bare_paper(colour, near, depth, max(limit, _RIM))

    merge = 0.5 * width + 0.5
    band = _follow(colour, near, depth, limit, broad, merge)
    strong = band.peak[band.peak > _CONTRAST]
    clear = (band.peak > _CONTRAST) & (band.width < broad)
    clear &= band.peak > (_FAINT * np.median(strong) if len(strong) else 0)
    fade = 0.0
    if clear.any():
        foot = _follow(colour, near, depth, limit, broad, merge, edge=_FOOT)
        fade = float(np.quantile((foot.end - band.end)[clear], 0.25))
        # With the pen known, it is seen on dark colours too.
        pen = np.median(band.core[clear], axis=0)
        loose = _follow(colour, near, depth, limit, broad, merge, rise=0)
        near_pen = np.linalg.norm(loose.core - pen, axis=1) < _SAME_PEN * np.linalg.norm(paper - pen, axis=1)
        dark = ~clear & near_pen & (loose.peak > _CONTRAST) & (np.abs(loose.width - width) < 0.6 * width)
        band, clear = band.where(~dark, loose), clear | dark
    found = ndimage.uniform_filter1d(clear.astype(np.float64), 2 * round(_GAP * width) + 1, mode="wrap") > 0.5
    outer = _along(-band.start, clear, found, width)
    inner = _along(band.end, clear, found, width)

    cut = np.where(found, inner.clip(0) + fade + _HALO, bare)
    cut = ndimage.gaussian_filter1d(ndimage.maximum_filter1d(cut, 3, mode="wrap"), 1.0, mode="wrap")

    ink = _smooth_colour(band.core, clear)
    under = near & (depth > cut[:, None]) & (depth <= cut[:, None] + max(width, 2.0)) & clear[:, None]
    under &= band.valley < 0.3 * band.peak[:, None]
    beneath = np.where(found[:, None], _smooth_colour(*_mean_colour(colour, under)), own)
    return Line(outline, found, outer, inner, cut, ink, beneath, paper, width)


def cut_contour(rgb: np.ndarray, mask: np.ndarray, lines: tuple[Line, ...]) -> Cut:
    """Take the lines along all outlines out of a figure.

    A pixel belongs to its nearest outline sample and goes when it lies within that sample's cut. Ink that is left just
    inside either ends there, a crumb that goes too, or runs on: a stroke that is kept, cut off at the line's border.

    Args:
        rgb: (H, W, 3) float32.
        mask: (H, W) bool.
        lines: of each outline of the mask.
    """
    rows, columns = np.nonzero(mask)
    tree = KDTree(np.concatenate([line.outline.path for line in lines]))
    distance, nearest = tree.query(np.stack([columns, rows], axis=1), workers=1)
    cut = np.concatenate([line.cut for line in lines])[nearest]
    width = np.concatenate([np.full(len(line.cut), max(line.width, 1.0)) for line in lines])[nearest]
    found = np.concatenate([line.found for line in lines])[nearest]
    ink = np.concatenate([line.ink for line in lines])[nearest]
    beneath = np.concatenate([line.beneath for line in lines])[nearest]
    paper = np.concatenate([line.paper for line in lines])[nearest]

    colour = rgb[rows, columns]
    gone = (distance <= cut) & (found | (_share(colour, beneath, paper) > 0.25))
    inky = found & ~gone & (_share(colour, beneath, ink) > 0.35) & (distance <= cut + 1.5 * width)
    deep = inky & (distance > cut + 0.5 * width)

    shown = (gone, inky, deep, gone & found, ~gone & ~found)
    contour, left, far, lined, bare = (_image(mask, rows, columns, values) for values in shown)
    labels, _ = ndimage.label(left, _AROUND)
    touching = np.isin(labels, np.unique(labels[ndimage.binary_dilation(contour, _AROUND) & left])) & left
    large = np.bincount(labels.ravel()) > lines[0].width ** 2
    strokes = (np.isin(labels, np.unique(labels[far])) | large[labels]) & touching
    soft = _grown(strokes, 1.5 + 0.06 * lines[0].width)  # a broad pen blurs more
    crumbs = ndimage.binary_dilation(touching & ~strokes, _AROUND) & mask & ~strokes
    roots = bare & _grown(lined, 0.5 * lines[0].width + 1)
    return Cut(contour | crumbs, (soft | roots) & mask & ~contour & ~crumbs)


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    """(H, W) bool, within `radius` pixels."""
    return ndimage.distance_transform_edt(~mask) <= radius if mask.any() else mask


def _share(colour: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(N,) how far colours have gone from `start` (0) to `end` (1), all (N, 3); 0 where these are alike."""
    span = end - start
    length = (span**2).sum(axis=1)
    return np.where(length > _CONTRAST**2, ((colour - start) * span).sum(axis=1) / np.maximum(length, 1e-9), 0)


def _rim(starts: np.ndarray) -> float:
    """Pixels of bare paper a mask may leave around the line: as it does nearly everywhere."""
    if len(starts) == 0:
        return 2.0
    middle = float(np.median(starts))
    return max(middle + 3 * float(np.median(np.abs(starts - middle))), 2.0)


def _image(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
    image = np.zeros(mask.shape, bool)
    image[rows, columns] = values
    return image


def _near_side(mask: np.ndarray, outline: Outline, depth: np.ndarray) -> np.ndarray:
    """(S, D) bool: places that have not passed the medial axis, where another side of the outline comes nearer."""
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    found = outline.unroll(distance[..., None], depth)[..., 0]
    passed = (found < 0.8 * depth - 1) & (depth > 0)  # slack for normals that are not quite so
    return ~np.logical_or.accumulate(passed, axis=1)


@dataclass(frozen=True)
class _Band:
    """The outermost run of ink along an outline.

    Attributes:
        valley: (S, D) how deep the ink is.
        start, end: (S,) depths of its borders in pixels.
        peak: (S,) its strength; 0 where there is none.
        core: (S, 3) colour where it is strongest.
    """

    valley: np.ndarray
    start: np.ndarray
    end: np.ndarray
    peak: np.ndarray
    core: np.ndarray

    @property
    def width(self) -> np.ndarray:
        """(S,) pixels."""
        return self.end - self.start

    def where(self, own: np.ndarray, other: _Band) -> _Band:
        """Its own samples where `own` (S,), the other's elsewhere."""
        pairs = [(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)]
        return _Band(*(np.where(own.reshape(-1, *[1] * (one.ndim - 1)), one, two) for one, two in pairs))


def _follow(
    colour: np.ndarray,
    near: np.ndarray,
    depth: np.ndarray,
    limit: float,
    broad: float,
    merge: float,
    rise: float = _RISE,
    edge: float = _EDGE,
) -> _Band:
    """Follow the ink that begins before `limit` pixels.

    Args:
        broad: pixels across of the broadest valley.
        merge: pixels of a gap that still belongs to the line (a line drawn twice).
        rise: of a valley's fall.
        edge: share of its strength at which a line ends.
    """
    valley = _valley(colour, near, depth < limit, broad, rise)
    window = (depth > -3) & (depth < limit)
    strongest = np.where(window, valley, 0).max(axis=1)
    ink = valley > np.maximum(0.5 * strongest, _CONTRAST)[:, None]
    seed = (ink & window).argmax(axis=1)
    # From the seed as far as the ink, short gaps closed, stays above the edge's strength.
    index = np.arange(len(depth))
    blank = valley <= np.maximum(edge * strongest, 0.5 * _CONTRAST)[:, None]
    if merge > 0:
        blank = ndimage.binary_opening(blank, np.ones((1, round(merge / _STEP) + 1), bool))
    blank[np.arange(len(seed)), seed] = False
    last = np.where(blank & (index > seed[:, None]), index, len(depth)).min(axis=1) - 1
    first = np.where(blank & (index < seed[:, None]), index, -1).max(axis=1) + 1
    inside = np.where((index >= first[:, None]) & (index <= last[:, None]), valley, 0)
    peak = inside.max(axis=1) * (strongest > _CONTRAST)
    core, _ = _mean_colour(colour, inside >= np.maximum(0.7 * peak, 1e-6)[:, None])
    return _Band(valley, depth[first] - _STEP / 2, depth[last] + _STEP / 2, peak, core)


def _valley(colour: np.ndarray, near: np.ndarray, window: np.ndarray, broad: float, rise: float) -> np.ndarray:
    """(S, D) depth of valleys up to `broad` pixels across: a one-sided black top-hat, the deepest of the channels.

    A channel whose valley rises by less than a share of what it fell, within the (D,) window, is a step down from the
    paper to the figure's own colour and does not count.
    """
    size = round(broad / _STEP) + 1
    lit = np.where(near[..., None], colour, -1)
    left = ndimage.maximum_filter1d(lit, size, axis=1, origin=(size - 1) // 2, mode="nearest")
    right = ndimage.maximum_filter1d(lit[:, ::-1], size, axis=1, origin=(size - 1) // 2, mode="nearest")[:, ::-1]
    seen = (near & window)[..., None]
    fall, depth = (np.where(seen, high - lit, 0).max(axis=1) for high in (left, np.minimum(left, right)))
    valley = np.where((depth > rise * fall)[:, None], np.minimum(left, right) - lit, 0)
    return np.where(near, valley.max(axis=2), 0)


def _bare_paper(
    colour: np.ndarray, near: np.ndarray, depth: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours (S, 3) of the paper outside and of the figure's edge, and pixels (S,) of bare paper between them."""
    outside = (depth >= -6) & (depth <= -2)
    paper = np.median(colour[:, outside], axis=1)
    apart = np.where(near & (depth >= 0) & (depth < limit), np.abs(colour - paper[:, None]).max(axis=2), 0)
    peak = apart.max(axis=1)
    full = apart > np.maximum(0.75 * peak, _CONTRAST)[:, None]
    bare = np.where(full.any(axis=1), depth[full.argmax(axis=1)] + _HALO, 0)
    own = np.where(full.any(axis=1)[:, None], _smooth_colour(*_mean_colour(colour, full)), paper)
    return paper, own, ndimage.median_filter(bare, 5, mode="wrap")


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    if len(values) == 0:
        return 0.0
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def _along(values: np.ndarray, clear: np.ndarray, found: np.ndarray, width: float) -> np.ndarray:
    """(S,) values where they are clear, carried over gaps and freed of outliers; 0 where there is no line."""
    if not found.any():
        return np.zeros(len(values))
    index = np.arange(len(values))
    full = np.interp(index, index[clear], values[clear], period=len(values))
    return np.where(found, ndimage.median_filter(full, 2 * round(width) + 3, mode="wrap"), 0)


def _mean_colour(colour: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, 3) mean over the chosen (S, D), 0 where none is, and (S,) how many are."""
    count = where.sum(axis=1)
    return np.where(where[..., None], colour, 0).sum(axis=1) / np.maximum(count, 1)[:, None], count


def _smooth_colour(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(S, 3) weighted mean of (S, 3) along the outline; from the nearest samples where the (S,) weight is 0."""
    if not weight.any():
        return np.zeros_like(values)
    weight = weight.astype(np.float64)
    total = ndimage.gaussian_filter1d(values * weight[:, None], 3.0, axis=0, mode="wrap")
    weight = ndimage.gaussian_filter1d(weight, 3.0, mode="wrap")
    good = np.flatnonzero(weight > 1e-3)
    mean = total[good] / weight[good, None]
    index = np.arange(len(values))
    return np.stack([np.interp(index, good, mean[:, c], period=len(values)) for c in range(3)], axis=1)
