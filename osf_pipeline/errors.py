"""Errors a user can act on, and the exit codes they map to.

Belongs here: the exception classes every room raises. Does not: messages of one room, or handling (the CLI does that).
"""

from __future__ import annotations

import json
from typing import Any, ClassVar


class OsfError(ValueError):
    """A fault the user can mend: what is wrong, where, which value, and what to try next.

    Args:
        what: one sentence, no trailing period.
        fix: the next thing to try.
        where: any of file, frame, channel, shot, key, argument ... with their values.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, fix: str = "", **where: Any) -> None:
        self.what, self.fix, self.where = what, fix, {k: v for k, v in where.items() if v is not None}
        super().__init__(what, fix, self.where)

    def __str__(self) -> str:
        place = ", ".join(f"{k}={v}" for k, v in self.where.items())
        text = f"{self.what} ({place})" if place else self.what
        return f"{text}. {self.fix}" if self.fix else text

    def to_json(self) -> str:
        """The error as text, to cross a process boundary; values that JSON does not know become strings."""
        fields = {"type": type(self).__name__, "what": self.what, "fix": self.fix, "where": self.where}
        return json.dumps(fields, default=str)

    @staticmethod
    def from_json(text: str) -> OsfError:
        """The error `to_json` wrote, as the same class."""
        fields = json.loads(text)
        classes: list[type[OsfError]] = [OsfError, *OsfError.__subclasses__()]
        (kind,) = (cls for cls in classes if cls.__name__ == fields["type"])
        return kind(fields["what"], fix=fields["fix"], **fields["where"])

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep keyword arguments where a library pickles the error."""
        return OsfError.from_json, (self.to_json(),)


class RequestError(OsfError):
    """The request itself is wrong: an unknown shot, a bad frame range, a strict key in a YAML file."""


class InputDataError(OsfError):
    """The input data is wrong: a damaged file, a missing channel, motion of the wrong sign, a tier mismatch."""

    exit_code = 3


class PartialError(OsfError):
    """Some frames were set aside; the rest is done."""

    exit_code = 4


class InterruptedRunError(OsfError):
    """The run stopped half way; running it again continues."""

    exit_code = 5
