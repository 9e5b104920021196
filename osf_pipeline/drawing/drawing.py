"""What is known about a drawing once it has been read.

Belongs here: the result that `osf_pipeline.character` builds on, and the order in which its parts are found. Does not:
how each is found (the other modules here).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osf_pipeline.drawing.contour import Line, cut_contour, find_line
from osf_pipeline.drawing.fill import continued
from osf_pipeline.drawing.mask import Figure, find_figure
from osf_pipeline.drawing.outline import outlines
from osf_pipeline.drawing.picture import Picture
from osf_pipeline.drawing.skeleton import Skeleton
from osf_pipeline.drawing.strip import ContourStrip, measure_strip
from osf_pipeline.errors import InputDataError

_SMALLEST = 64  # pixels of a figure's longer side: below, lines and joints cannot be told apart
_PALE_RIM = 1.5  # pixels of paper around the line that are worth a word


@dataclass(frozen=True)
class Drawing:
    """A figure on a picture of H x W pixels; integers are pixel centres, y down. Colours: display-encoded sRGB, 0..1.

    Attributes:
        image: (H, W, 3) float32, the picture as drawn.
        alpha: (H, W) float32, coverage of the figure; soft along its edge.
        mask: (H, W) bool, the figure: one component without holes of background that were not drawn as such.
        contour: (H, W) bool, where the outline (and bare paper beside it) was drawn and is removed from `fill`.
        fill: (H, W, 3) float32, the colour beneath: outline replaced by what lies beside it, interior strokes kept,
            continued beyond the mask so that a texture lookup at the edge never meets paper.
        strip: the removed outline along its length.
        skeleton: joints on this picture.
        findings: what was found and how sure, a sentence each.
    """

    image: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray
    contour: np.ndarray
    fill: np.ndarray
    strip: ContourStrip
    skeleton: Skeleton
    findings: tuple[str, ...] = ()


def analyse(picture: Picture, figure: Figure | None, skeleton: Skeleton) -> Drawing:
    """Find the figure, its outline and the colour beneath.

    Args:
        figure: where the figure is; found on the picture when None.
        skeleton: joints on the picture at its working size.

    Raises:
        InputDataError: as `find_figure`; when the figure is too small; when nothing is left without its outline.
    """
    figure = figure or find_figure(picture)
    rgb, mask = picture.rgb, figure.mask
    rows, columns = np.nonzero(mask)
    longer = int(max(np.ptp(rows), np.ptp(columns))) + 1
    if longer < _SMALLEST:
        raise InputDataError(
            "the figure is too small", value=f"{longer} pixels", smallest=_SMALLEST, fix="Scan or crop it larger."
        )
    lines = tuple(find_line(rgb, mask, outline) for outline in outlines(mask))
    cut = cut_contour(rgb, mask, lines)
    keep = mask & ~cut.contour
    source = keep & ~cut.strokes
    if not source.any():
        raise InputDataError(
            "nothing is left of the figure without its outline", fix="Give a mask.png that holds the whole figure."
        )
    # Grain and crayon streaks are finer than a hundredth of a figure; its patches of colour are larger.
    fill = continued(rgb, source, keep, blur=max(2.0, 0.012 * float(np.sqrt(mask.sum()))))
    findings = (
        *_scaled(picture),
        *figure.findings,
        _line_found(lines[0], float(cut.contour.sum() / mask.sum())),
        *_rim(lines[0]),
    )
    return Drawing(rgb, figure.alpha, mask, cut.contour, fill, measure_strip(rgb, fill, lines[0]), skeleton, findings)


def _scaled(picture: Picture) -> tuple[str, ...]:
    height, width = picture.rgb.shape[:2]
    if picture.size == (width, height):
        return ()
    return (f"the picture of {picture.size[0]}x{picture.size[1]} is worked on at {width}x{height}",)


def _rim(line: Line) -> tuple[str, ...]:
    """Masks drawn by hand lie beyond the line; the paper between is drawn along as a pale edge."""
    rim = -float(np.median(line.outer[line.found])) if line.found.any() else 0.0
    if rim < _PALE_RIM:
        return ()
    return (
        f"about {rim:.0f} pixels of bare paper lie between the mask's border and the line; a mask that ends at the "
        "line, or none on plain paper, gives a cleaner edge",
    )


def _line_found(line: Line, share: float) -> str:
    if not line.found.any():
        return "no outline was drawn along the silhouette"
    dark = float(np.median(line.darkness[line.found]))
    return (
        f"an outline {line.width:.1f} pixels broad and {dark:.0%} dark runs along {line.found.mean():.0%} of the "
        f"silhouette; {share:.0%} of the figure is painted anew beneath it"
    )
