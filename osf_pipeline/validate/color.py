"""What files say of their colour space, against each other and the configuration.

Belongs here: the rule `color_space`. Does not: conversions (`colorspaces`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from osf_pipeline.colorspaces.source import declared_space, input_color
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space
from osf_pipeline.config import AUTO_SPACE, Source
from osf_pipeline.exr.header import Header
from osf_pipeline.validate.findings import Finding

RULE = "color_space"


def color_space(headers: Mapping[int, Header], config: Source) -> Iterator[Finding]:
    """Files that declare another colour space than the configuration names, or under `auto` than the first file.

    Raises:
        RequestError: for a space or an OpenColorIO configuration that does not exist.
    """
    if not headers:
        return
    used = input_color(config, next(iter(headers.values()))).source
    for frame, header in headers.items():
        declared = declared_space(header)
        if config.color_space == AUTO_SPACE:
            space = declared or LINEAR_REC709
            if used is not None and not space.same(used):
                yield Finding(
                    RULE, "error", header.url, frame, "",
                    f"{_said(declared)}, but the first frame is {used.name}",
                    "Render all frames in one colour space, or name it under `color_space`.",
                )  # fmt: skip
        # A space that only OpenColorIO knows is not scene-linear: no scene-linear declaration agrees with it.
        elif declared is not None and (declared.linear if used is None else not declared.same(used)):
            yield Finding(
                RULE, "warning", header.url, frame, "",
                f"{_said(declared)}, but `color_space` is {config.color_space}",
                "Set `color_space: auto` to believe the file.",
            )  # fmt: skip
            return  # the others of its shot say the same


def _said(declared: Space | None) -> str:
    return f"the file declares {declared.interop_id or declared.name}" if declared else "the file declares nothing"
