"""Source channels that a delivery copies.

Belongs here: finding the source files again, choosing their channels, proving that they are the ingested ones. Does
not: writing (`delivery.layers`).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass

from osf_pipeline.buffers import LAYERS
from osf_pipeline.config import ShotConfig
from osf_pipeline.delivery.layers import Copied, Naming
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.attributes import Attributes, id_manifests
from osf_pipeline.exr.header import Header, read_header
from osf_pipeline.exr.read import listing, read_exr
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.layout import Layout
from osf_pipeline.shots import stand_in
from osf_pipeline.store.version import Version


@dataclass(frozen=True)
class Sources:
    """The source files of a shot, and which of their channels go through.

    Attributes:
        urls: frame number to file.
        patterns: of channel names without their view, case-sensitive.
        taken: names of delivered layers, which no copied channel may have.
        contents: frame number to the sha256 of its file as it was ingested.
        bad: frames that show a neighbour's picture; their channels are that neighbour's, too.
    """

    urls: Mapping[int, str]
    patterns: tuple[str, ...]
    taken: frozenset[str]
    contents: Mapping[int, str]
    bad: frozenset[int]

    @classmethod
    def of(cls, layout: Layout, shot: str, config: ShotConfig, naming: Naming, gbuffer: Version) -> Sources:
        """
        Raises:
            InputDataError: when no source file is found.
        """
        urls = find_sequence(layout.renders(shot), config.source, config.frames).urls
        taken = frozenset(channel for layer in LAYERS for channel in naming.channels(layer))
        contents = {int(frame): digest for frame, digest in gbuffer.record["inputs"]["files"].items()}
        bad = frozenset({*gbuffer.quarantined, *gbuffer.held})
        return cls(urls, config.delivery.pass_through, taken, contents, bad)

    def read(self, frame: int, attributes: Attributes) -> Copied | None:
        """The chosen channels of one frame, bit for bit; None when all of them are taken.

        Args:
            attributes: that its header hands on; `view` among them chooses the view.

        Raises:
            RequestError: when a pattern matches no channel.
            InputDataError: when the file is gone or is not the ingested one.
        """
        if frame in self.bad:
            shown = stand_in(frame, self.contents.keys() - self.bad)
            assert shown is not None, "a store has more good frames than bad ones"
            frame = shown
        url = self.urls.get(frame)
        if url is None:
            raise InputDataError(
                "a source frame to copy channels from is gone", frame=frame, rule="gap",
                fix="Bring the renders back, or leave `pass_through` out.",
            )  # fmt: skip
        _, view = attributes.get("view", ("", b""))
        names = self._chosen(read_header(url), view.decode())
        if not names:
            return None
        image = read_exr(url, names.values())
        if image.sha256 != self.contents[frame]:
            raise InputDataError(
                "a source file has changed since it was ingested", file=url, frame=frame, sha256=image.sha256,
                fix="Ingest, guide and stylize the shot again, or bring the old file back.",
            )  # fmt: skip
        channels = {plain: image.channels[full] for plain, full in names.items()}
        return Copied(image.window, channels, id_manifests(image.header, names.values()))

    def _chosen(self, header: Header, view: str) -> dict[str, str]:
        """Name in the delivery to full name in the source."""
        names = header.names(view if view in header.views else None)
        for pattern in self.patterns:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                raise RequestError(
                    "no source channel matches", key="delivery.pass_through", pattern=pattern, file=header.url,
                    fix=f"The file has: {listing(names)}.",
                )  # fmt: skip
        return {
            plain: full
            for plain, full in names.items()
            if plain not in self.taken and any(fnmatch.fnmatchcase(plain, pattern) for pattern in self.patterns)
        }
