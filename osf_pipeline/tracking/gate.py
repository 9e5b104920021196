"""The bounds a model version must meet before it may carry an alias.

Belongs here: comparing numbers with bounds. Does not: how a metric is measured (`evaluation`), or MLflow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Gate:
    """Bounds on metrics, both ends inside.

    >>> Gate(at_least={"psnr": 20}).failures({"psnr": 18.5})
    ['psnr 18.5 is below 20']
    """

    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)

    def failures(self, metrics: Mapping[str, float]) -> list[str]:
        """One sentence per bound that is not met; a metric that is missing or not finite meets no bound."""
        found = []
        for bounds, word, meets in (
            (self.at_least, "below", lambda value, bound: value >= bound),
            (self.at_most, "above", lambda value, bound: value <= bound),
        ):
            for name, bound in bounds.items():
                value = metrics.get(name)
                if value is None:
                    found.append(f"{name} was not measured")
                elif not math.isfinite(value):
                    found.append(f"{name} is {value}")
                elif not meets(value, bound):
                    found.append(f"{name} {value:.6g} is {word} {bound:.6g}")
        return found
