"""Blocking checks on the G-buffer, made from the validation rules.

Belongs here: findings as check results. Does not: the rules (`osf_pipeline.validate`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg

from assets.metadata import table
from osf_pipeline.validate.catalogue import GROUPS, group_of

if TYPE_CHECKING:
    from osf_pipeline.validate.findings import Finding

gbuffer_checks = [
    dg.AssetCheckSpec(name, asset="gbuffer", description=question, blocking=True) for name, question in GROUPS.items()
]
"""One check for each group of rules. Blocking: nothing downstream of a shot runs on data that a rule refuses."""

SHOWN = 5


def results(
    shot: str, findings: Iterable[Finding], complete: bool, set_aside: Collection[int] = ()
) -> Iterator[dg.AssetCheckResult]:
    """A result for every check. An error fails it and blocks, a warning fails it and does not, a note passes.

    Args:
        complete: all rules have seen all frames; otherwise checks without findings stay unanswered.
        set_aside: frames that are quarantined or held; their errors block nothing.
    """
    findings = list(findings)
    for name in GROUPS:
        found = [f for f in findings if group_of(f.rule) == name]
        if not found and not complete:
            continue
        errors = [f for f in found if f.severity == "error" and f.frame not in set_aside]
        doubts = [f for f in found if f.severity != "note" and f not in errors]
        rows = [asdict(f) for f in found]
        yield dg.AssetCheckResult(
            check_name=name,
            passed=not errors and not doubts,
            severity=dg.AssetCheckSeverity.ERROR if errors else dg.AssetCheckSeverity.WARN,
            description="\n".join(str(f) for f in found[:SHOWN]) or None,
            metadata={
                "shot": shot,
                "errors": len(errors),
                "warnings": len(doubts),
                **({"findings": table(rows)} if rows else {}),
            },
        )
