"""pandera schemas of the frame manifest and of the findings table.

Belongs here: columns, types and what must hold between them. Does not: filling the tables (`validate.preflight`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import pandas as pd
import pandera.pandas as pa

from osf_pipeline.validate.findings import Finding

STATUSES = ("ok", "damaged", "missing", "quarantined", "held")

MANIFEST = pa.DataFrameSchema(
    {
        "frame": pa.Column(int, unique=True),
        "file": pa.Column(str),
        "size": pa.Column(int, pa.Check.ge(0)),
        "mtime": pa.Column(str),
        "sha256": pa.Column(str, pa.Check.str_matches(r"\A([0-9a-f]{64})?\Z"), description="empty until decoded"),
        "width": pa.Column(int, pa.Check.ge(0), description="of the display window"),
        "height": pa.Column(int, pa.Check.ge(0)),
        "x0": pa.Column(int, description="data window, inclusive corners"),
        "y0": pa.Column(int),
        "x1": pa.Column(int),
        "y1": pa.Column(int),
        "channels": pa.Column(str, description="full names, comma separated"),
        "status": pa.Column(str, pa.Check.isin(STATUSES)),
    },
    checks=[
        pa.Check(lambda table: table["frame"].is_monotonic_increasing, error="frames ascend"),
        pa.Check(
            lambda table: (table["status"] != "ok") | ((table["x1"] >= table["x0"]) & (table["y1"] >= table["y0"])),
            error="a readable frame has a data window",
        ),
        pa.Check(
            lambda table: (table["status"] != "ok") | (table["width"] * table["height"] > 0),
            error="a readable frame has a size",
        ),
    ],
    strict=True,
    ordered=True,
)
"""One row per expected frame of a shot, missing and damaged ones included."""

FINDINGS = pa.DataFrameSchema(
    {
        "rule": pa.Column(str, pa.Check.str_length(min_value=1)),
        "severity": pa.Column(str, pa.Check.isin(("error", "warning", "note"))),
        "file": pa.Column(str),
        "frame": pa.Column("Int64", nullable=True),
        "channel": pa.Column(str),
        "value": pa.Column(str),
        "fix": pa.Column(str),
    },
    strict=True,
    ordered=True,
)
"""One row per finding."""


def findings_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """Findings as a validated table."""
    table = pd.DataFrame([asdict(f) for f in findings], columns=list(FINDINGS.columns))
    return FINDINGS.validate(table.astype({n: "Int64" if n == "frame" else "str" for n in FINDINGS.columns}))
