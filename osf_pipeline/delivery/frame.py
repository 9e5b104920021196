"""One frame of a delivery: everything its stores know, as an EXR and a PNG.

Belongs here: putting layers, colour, attributes and copied channels of a frame together. Does not: the loop over frames
(`delivery.stage`), channel names and windows (`delivery.layers`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from osf_pipeline.color import over, straight_srgb
from osf_pipeline.colorspaces.delivery import DeliveryColor
from osf_pipeline.colorspaces.spaces import Space, in_rec709, of_chromaticities, of_interop_id
from osf_pipeline.config import ShotConfig
from osf_pipeline.delivery.layers import Naming, write_layers
from osf_pipeline.delivery.preview import encode_png, picture
from osf_pipeline.delivery.source import Sources
from osf_pipeline.exr.attributes import HEADERS_FILE, Attributes, unpack
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.files import read_json, write_bytes
from osf_pipeline.store.version import Version, reopen

INTEROP_ID, CHROMATICITIES = COLOR_TAGS = ("colorInteropID", "chromaticities")
NO_HEADERS: dict[str, Any] = {"values": [], "frames": {}}
HALF_RGBA = [(name, "float16") for name in "RGBA"]
"""Of stores made before headers were kept."""


class FrameWriter:
    """Writes the frames of one delivery; safe to call from several threads.

    Args:
        version: stylized.
        url: folder of the delivery.
        color: the way from the store's colour to the delivery's.

    Raises:
        RequestError: for names that the source's colour cannot give.
        InputDataError: when channels are to be copied and there are no source files.
    """

    def __init__(
        self, layout: Layout, shot: str, config: ShotConfig, version: Version, url: str, color: DeliveryColor
    ) -> None:
        self.shot, self.version, self.url, self.color = shot, version, url, color
        self.gbuffer = reopen(layout.store(shot, "gbuffer"), version.record["inputs"]["gbuffer"])
        self.facts = self.gbuffer.attributes
        self.contents = self.gbuffer.record["inputs"]["files"]
        self.headers = unpack(read_json(join(self.gbuffer.url, HEADERS_FILE)) or NO_HEADERS)
        self.naming = Naming.of(self.facts.get("color_channels", HALF_RGBA), config.delivery.names)
        wanted = config.delivery.pass_through
        self.sources = Sources.of(layout, shot, config, self.naming, self.gbuffer) if wanted else None
        # The store of layers is half; a float source keeps all its digits where no line covers it.
        self.exact = self.gbuffer.array("color").dtype == np.float32
        used = version.record["inputs"]["models"]
        self.provenance = {
            "osf:shot": shot,
            "osf:store": version.id,
            "osf:gbuffer": self.gbuffer.id,
            "osf:model": ", ".join(f"{m['model']} version {m['version']}" for m in used.values()),
            "osf:weights": ", ".join(m["sha256"] for m in used.values()),
            "osf:code": version.record["provenance"]["code"],
        }

    def __call__(self, position: int, layers: Mapping[str, np.ndarray]) -> tuple[int, np.ndarray]:
        """Write the frame at a position of the store's frame axis.

        A quarantined frame has no picture, so it gets no files: an empty one would pass for a render.

        Args:
            layers: `buffers.LAYERS` of the frame, over the store's window.

        Returns:
            Bytes of the EXR, and the frame on white for the video, (y, x, 3) uint8.

        Raises:
            RequestError, InputDataError: as `Sources.read`.
        """
        frame = self.version.frames[position]
        shown = in_rec709(layers["beauty"], self.version.attributes)
        if frame in self.version.quarantined:
            return 0, picture(shown)
        write_bytes(join(self.url, "png", f"{self.shot}.{frame:04d}.png"), encode_png(straight_srgb(shown)))
        return self._exr(position, frame, layers), picture(shown)

    def _exr(self, position: int, frame: int, layers: Mapping[str, np.ndarray]) -> int:
        if self.exact:
            fill = self.gbuffer.read(position, position + 1, ("color",))["color"][0]
            layers = {**layers, "fill": fill, "beauty": over(layers["line"], fill)}
        return write_layers(
            join(self.url, "exr", f"{self.shot}.{frame:04d}.exr"),
            {name: self.color.convert(values) if len(values) == 4 else values for name, values in layers.items()},
            tuple(self.facts["window"]),
            **self.header(position),
            naming=self.naming,
            copied=self.sources.read(frame, self.headers.get(frame, {})) if self.sources else None,
        )

    def header(self, position: int) -> dict[str, Any]:
        """Windows and attributes of a file made of the frame at a position; arguments of `layers.write_planes`."""
        frame = self.version.frames[position]
        return {
            "data_window": tuple(self.facts["data_windows"][position]),
            "display_window": tuple(self.facts["display_window"]),
            "pixel_aspect": self.facts["pixel_aspect"],
            "attributes": {**self.provenance, "osf:frame": frame, "osf:source": self.contents[str(frame)]},
            "source": tagged(self.headers.get(frame, {}), self.color.attributes),
        }


def tagged(source: Attributes, color: Mapping[str, Any]) -> dict[str, tuple[str, bytes]]:
    """A source's attributes with the colour tags of its delivery.

    Tags of the source that mean the same space stay byte for byte, else they give way.

    Args:
        color: `DeliveryColor.attributes`.
    """
    tags = {name: ("string", str(value).encode()) for name, value in color.items() if name != CHROMATICITIES}
    if CHROMATICITIES in color:
        tags[CHROMATICITIES] = ("chromaticities", struct.pack("<8f", *color[CHROMATICITIES]))
    said, meant = _space(source), _space(tags)
    same = said is not None and meant is not None and said.same(meant)
    loser = tags if same else source
    kept = {name: value for name, value in loser.items() if name not in COLOR_TAGS}
    return {**source, **kept} if same else {**kept, **tags}


def _space(attributes: Attributes) -> Space | None:
    """The space that header attributes name."""
    _, name = attributes.get(INTEROP_ID, ("", b""))
    kind, raw = attributes.get(CHROMATICITIES, ("", b""))
    known = of_interop_id(name.decode(errors="replace")) if name else None
    if known is None and kind == "chromaticities" and len(raw) == 32:
        return of_chromaticities(struct.unpack("<8f", raw))
    return known
