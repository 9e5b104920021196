"""What a rule says about the data.

Belongs here: the finding and how findings become an error. Does not: the rules themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from osf_pipeline.errors import InputDataError

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One fault, doubt or remark.

    Attributes:
        rule: name of the rule.
        severity: an `error` refuses the data; a `warning` and a `note` do not.
        file: URL it concerns; empty for the whole shot.
        channel: source channel or canonical buffer; empty when none in particular.
        value: what was found.
        fix: the next step.
    """

    rule: str
    severity: Severity
    file: str
    frame: int | None
    channel: str
    value: str
    fix: str

    def __str__(self) -> str:
        place = ", ".join(
            f"{k}={v}"
            for k, v in (("frame", self.frame), ("channel", self.channel), ("file", self.file))
            if v not in ("", None)
        )
        return f"{self.severity} {self.rule}: {self.value} ({place}). {self.fix}"


def of_error(error: InputDataError, frame: int | None, file: str = "") -> Finding:
    """The finding behind an error raised while reading."""
    where = error.where
    value = f"{error.what}: {where['problem']}" if "problem" in where else error.what
    return Finding(
        str(where.get("rule", "decode")), "error", str(where.get("file", file)), frame, str(where.get("channel", "")),
        value, error.fix,
    )  # fmt: skip


def accepted(findings: Iterable[Finding], rules: Collection[str]) -> list[Finding]:
    """Findings with the errors of some rules turned into warnings."""
    return [
        replace(f, severity="warning", fix=f"Accepted in shot.yaml. {f.fix}")
        if f.severity == "error" and f.rule in rules
        else f
        for f in findings
    ]


def has_error(findings: Iterable[Finding]) -> bool:
    """Whether any finding refuses the data."""
    return any(finding.severity == "error" for finding in findings)


def refuse(findings: Iterable[Finding]) -> None:
    """
    Raises:
        InputDataError: naming the first error and how many there are; nothing is raised without one.
    """
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        first = errors[0]
        raise InputDataError(
            first.value, fix=first.fix, rule=first.rule, frame=first.frame, channel=first.channel or None,
            file=first.file or None, errors=len(errors) if len(errors) > 1 else None,
        )  # fmt: skip
