"""Everything that headers alone can tell, before any pixel is decoded.

Belongs here: reading all headers, the report and the frame manifest. Does not: the rules (`validate.files`,
`validate.color`), pixels (`validate.frames`).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd

from osf_pipeline.config import ShotConfig
from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.adapters import BufferMap, map_shot
from osf_pipeline.exr.attributes import source_window
from osf_pipeline.exr.header import Header, read_header, union
from osf_pipeline.exr.sequence import Sequence
from osf_pipeline.exr.write import Window
from osf_pipeline.validate.color import color_space
from osf_pipeline.validate.files import check_headers, check_listing
from osf_pipeline.validate.findings import Finding, accepted, of_error, refuse
from osf_pipeline.validate.schema import MANIFEST, findings_table

HEADER_THREADS = 8


@dataclass(frozen=True)
class Report:
    """What preflight found.

    Attributes:
        findings: errors first.
        manifest: one row per expected frame, schema `MANIFEST`; `sha256` is still empty.
        mapping: how channels become buffers; None when that could not be told.
        window: union of the data windows of all that is used; None without a readable frame.
        display_window, pixel_aspect: of the first readable frame.
    """

    findings: tuple[Finding, ...]
    manifest: pd.DataFrame
    mapping: BufferMap | None
    window: Window | None
    display_window: Window | None
    pixel_aspect: float

    @property
    def table(self) -> pd.DataFrame:
        """The findings as a validated table."""
        return findings_table(self.findings)

    def refuse(self) -> None:
        """
        Raises:
            InputDataError: when there is any error.
        """
        refuse(self.findings)


def preflight(config: ShotConfig, sequence: Sequence) -> Report:
    """Read every header of a shot and judge them together; raises nothing for faults in the data."""
    headers: dict[int, Header] = {}
    findings: list[Finding] = check_listing(sequence)
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        for file, found in zip(sequence.files, pool.map(lambda f: _header(f.url), sequence.files), strict=True):
            if isinstance(found, Header):
                headers[file.frame] = found
            else:
                findings.append(of_error(found, file.frame, file.url))
    mapping = None
    if headers:
        try:
            mapping = map_shot(list(headers.values()), config)
        except InputDataError as error:
            findings.append(of_error(error, next(iter(headers))))
    if mapping:
        findings += [
            Finding("mapping", "warning", "", None, "", flag, "Name what is missing in shot.yaml, or go on.")
            for flag in mapping.flags
        ]
    # Parts of other views and passes that are not used do not count.
    window = (
        union(
            source_window(h, mapping.channels)
            if mapping and set(mapping.channels) <= set(h.channels)
            else h.data_window
            for h in headers.values()
        )
        if headers
        else None
    )
    if headers:
        findings += check_headers(sequence, headers, mapping, config.cuts)
    findings += color_space(headers, config)
    first = next(iter(headers.values()), None)
    order = ("error", "warning", "note")
    return Report(
        tuple(sorted(accepted(findings, config.accept), key=lambda f: order.index(f.severity))),
        _manifest(sequence, headers), mapping, window,
        first.display_window if first else None, first.pixel_aspect if first else 1.0,
    )  # fmt: skip


def _header(url: str) -> Header | InputDataError:
    try:
        return read_header(url)
    except InputDataError as error:
        return error


def _manifest(sequence: Sequence, headers: Mapping[int, Header]) -> pd.DataFrame:
    rows = []
    for file in sequence.files:
        header = headers.get(file.frame)
        data, display = (header.data_window, header.display_window) if header else ((0, 0, -1, -1), (0, 0, -1, -1))
        rows.append(
            (file.frame, file.url, file.size, file.mtime, "", display[2] - display[0] + 1, display[3] - display[1] + 1,
             *data, ",".join(header.channels) if header else "", "ok" if header else "damaged")
        )  # fmt: skip
    rows += [(frame, "", 0, "", "", 0, 0, 0, 0, -1, -1, "", "missing") for frame in sequence.missing]
    return MANIFEST.validate(pd.DataFrame(sorted(rows), columns=list(MANIFEST.columns)))
