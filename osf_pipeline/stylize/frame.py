"""One frame through a stylizer: arrays in, layers out. Pure; random access; the same bits whatever the tiling.

Belongs here: cropping, padding, tiling, layers. Does not: stores and shards (`stage`), the network (`model`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.color import over
from model.inputs import MARGIN, Guides, pack, rest_without
from model.stylizer import Line
from model.stylizer import Stylizer as Network
from model.trunk import STRIDE
from model.weights import Card
from osf_pipeline.buffers import CONTOUR_RANGE, Tier
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space, convert, of_attributes
from osf_pipeline.errors import InputDataError
from osf_pipeline.stylize.line import LineControls
from osf_pipeline.stylize.look import Look
from osf_pipeline.stylize.post import finish

NEEDED = ("color", "contour", "contour_side", "confidence")
"""What every model needs; one of the full tier also needs `rest_position`."""

TILE = 512
"""Side of a tile in pixels; the grid starts at the display origin."""

MATTE_FLOOR = 1 / 64
"""Line alpha below this is nothing: a sigmoid never reaches 0, a clean matte does."""


class Stylizer:
    """A network made ready for frames: batch norm folded, channels last.

    The number of torch threads is the caller's; it is part of bit-equality.

    Args:
        tile: side of a tile in pixels.
        device: where tiles are computed, a torch device name; frames stay in host memory.
        space: scene-linear space of the frames and of the layers. The network sees and draws in its card's.
    """

    def __init__(
        self, network: Network, card: Card, tile: int = TILE, device: str = "cpu", space: Space = LINEAR_REC709
    ) -> None:
        self.network, self.card, self.tile, self.device = network.folded().to(device), card, tile, device
        self.space, self.network_space = space, of_attributes(card.color_space)

    @torch.inference_mode()
    def __call__(
        self,
        frame: Mapping[str, np.ndarray],
        origin: tuple[int, int] = (0, 0),
        look: Look | None = None,
        objects: Collection[int] = (),
    ) -> dict[str, np.ndarray]:
        """Draw the line of one frame.

        Args:
            frame: canonical `color` (4), `contour` (1), `contour_side` (1), `confidence` (1) and, for a model of the
                full tier, `rest_position` (3), and what the look reads, all `(channel, y, x)`. Without `contour_step`
                (1), as earlier guidance is, no line tapers.
            origin: x, y of the first pixel in display coordinates; anchors the tile grid.
            look: bound to part ids (`Look.bound`); as learnt when absent.
            objects: ids of the figure whose size a look that is locked to the character measures; all when empty.

        Returns:
            `fill` (the colour itself, but for a look's `post`), `line`, `beauty` and `confidence`, float16, as in
            `buffers.LAYERS`.

        Raises:
            InputDataError: for a missing buffer, buffers of different sizes, or colours that are not finite.
        """
        look = look or Look()
        full = self.card.tier == Tier.FULL
        _check(frame, tuple(dict.fromkeys((*NEEDED, *(("rest_position",) if full else ()), *look.reads))))
        controls = None if look.plain else LineControls.of(look, frame, self.card, objects)
        width = controls.width if controls else np.ones((1, 1), np.float32)
        color, contour, side = (_tensor(frame[name]) for name in NEEDED[:3])
        guides = Guides(contour, side > 0)
        gaps = frame.get("contour_step", np.ones_like(frame["contour"]))
        step = _tensor(controls.tapered(gaps) if controls else gaps)
        rest = _tensor(frame["rest_position"]) if full else None
        shown = _tensor(convert(frame["color"], self.space, self.network_space))
        line = torch.zeros_like(color)
        for scale in np.unique(width).tolist():
            # Nothing is drawn where there is neither a surface nor a contour within reach.
            reach = min(CONTOUR_RANGE, 2 * scale * self.card.stroke + MARGIN)
            drawable = ((color[:, 3:] > 0) | (contour < reach)) & torch.from_numpy(width == scale)
            found = self._drawn(drawable, origin, shown, guides, step, rest, scale)
            line = torch.where(drawable & (found[:, 3:] >= MATTE_FLOOR), found, line)
        line = _tensor(convert(line[0].numpy(), self.network_space, self.space))
        fill = color
        if controls:
            line, fill = (_tensor(layer) for layer in self._finish(line[0].numpy(), frame, look, controls))
        return {
            "fill": _half(fill),
            "line": _half(line),
            "beauty": _half(over(line, fill)),
            "confidence": np.asarray(frame["confidence"], np.float16),
        }

    def _drawn(
        self,
        drawable: Tensor,
        origin: tuple[int, int],
        color: Tensor,
        guides: Guides,
        step: Tensor,
        rest: Tensor | None,
        scale: float,
    ) -> Tensor:
        """Line layer at one scale, tile by tile, at least where something is drawable."""
        line = torch.zeros_like(color)
        for tile in _tiles(drawable[0, 0], origin, self.tile):
            inside = tile.clipped(*color.shape[2:])
            place = inside.within(tile)
            found = self._line(tile, color, guides, step, rest, scale)
            line[:, :, inside.rows, inside.columns] = found[:, :, place.rows, place.columns]
        return line

    def _finish(
        self, line: np.ndarray, frame: Mapping[str, np.ndarray], look: Look, controls: LineControls
    ) -> tuple[np.ndarray, np.ndarray]:
        """Line and fill as the look wants them.

        At strength s the line counts s times, and the fill is s of it and 1 - s of the render: premultiplied and
        scene-linear, so over a fill that no step has changed the beauty is just that mix of styled picture and render.
        """
        render = frame["color"].astype(np.float32)
        line = controls.finish(line, frame, self.space)
        line = np.where(line[3:] >= MATTE_FLOOR, line, 0)
        line, fill = finish(line, render, look.post, self.space)
        part = frame["part_id"][0] if look.parts else None
        mixed = render + look.values(lambda held: held.strength, part) * (fill - render) if look.post else render
        return controls.strength() * line, mixed

    def halo(self, scale: float = 1.0) -> int:
        """Pixels around a tile that can change it."""
        radius = self.card.architecture.receptive_radius + self.network.strokes.radius(scale)
        return -(-radius // STRIDE) * STRIDE

    def _line(
        self, tile: _Box, color: Tensor, guides: Guides, step: Tensor, rest: Tensor | None, scale: float
    ) -> Tensor:
        """Line layer of one tile, with a halo of true neighbours; the frame's edge goes on as it ends."""
        halo = self.halo(scale)
        wide = tile.grown(halo)
        near = wide.clipped(*color.shape[2:])
        edge = (near.left - wide.left, wide.right - near.right, near.top - wide.top, wide.bottom - near.bottom)

        def cropped(x: Tensor) -> Tensor:
            return F.pad(x[:, :, near.rows, near.columns].to(self.device), edge, mode="replicate")

        # Before anything is computed: kernels differ in the last bit with the width of what they get.
        withheld = self.card.recipe.get("withhold", ())
        guides = Guides(cropped(guides.distance), cropped(guides.side.float()) > 0).without(withheld)
        place = None if rest is None else rest_without(cropped(rest), withheld)
        drawn, share = self.network.strokes.tapered(guides.distance, guides.side, cropped(step), place, scale)
        inputs = pack(cropped(color), guides, drawn, self.card.stroke, scale)
        logits: Tensor = self.network(inputs.contiguous(memory_format=torch.channels_last))
        # Contiguous, because strided and dense kernels of the exponential differ in the last bit.
        logits, share = (x[:, :, halo:-halo, halo:-halo].contiguous() for x in (logits, share))
        return (Line.of(logits).layer * share).cpu()


class _Box(NamedTuple):
    """Half-open pixel box in array coordinates; may reach past the array."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.right)

    def grown(self, by: int) -> _Box:
        return _Box(self.top - by, self.bottom + by, self.left - by, self.right + by)

    def clipped(self, height: int, width: int) -> _Box:
        return _Box(max(self.top, 0), min(self.bottom, height), max(self.left, 0), min(self.right, width))

    def within(self, other: _Box) -> _Box:
        """The same box, counted from the other's corner."""
        return _Box(self.top - other.top, self.bottom - other.top, self.left - other.left, self.right - other.left)


def _tiles(drawable_HW: Tensor, origin: tuple[int, int], tile: int) -> Iterator[_Box]:
    """Boxes that cover everything drawable: in each cell of the display's grid the tight box, grown to whole strides.

    Corners are multiples of the network's stride in display coordinates, so a pixel is computed in the same phase
    whatever is cropped. A box may reach past the array.
    """
    height, width = drawable_HW.shape
    (x0, y0) = origin
    for top in range(-(y0 % tile), height, tile):
        for left in range(-(x0 % tile), width, tile):
            cell = _Box(top, top + tile, left, left + tile).clipped(height, width)
            rows, columns = drawable_HW[cell.rows, cell.columns].nonzero(as_tuple=True)
            if not len(rows):
                continue

            def down(value: int, start: int) -> int:
                return value - (value + start) % STRIDE

            yield _Box(
                down(cell.top + int(rows.min()), y0),
                down(cell.top + int(rows.max()) + STRIDE, y0),
                down(cell.left + int(columns.min()), x0),
                down(cell.left + int(columns.max()) + STRIDE, x0),
            )


def _check(frame: Mapping[str, np.ndarray], needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in frame]
    if missing:
        raise InputDataError(
            "the frame lacks buffers", channel=", ".join(missing), fix="Ingest and guide the shot with them."
        )
    sizes = {name: frame[name].shape[1:] for name in needed}
    if len(set(sizes.values())) > 1:
        raise InputDataError("the frame's buffers differ in size", sizes=sizes, fix="Store them over one window.")
    if not np.isfinite(frame["color"]).all():
        raise InputDataError("the colour is not finite", channel="color", fix="Render again, or repair it at ingest.")


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))[None]


def _half(x_1CHW: Tensor) -> np.ndarray:
    return x_1CHW[0].to(torch.float16).numpy()
