"""What a shot's evaluation says of the models that drew it, recorded with the runs they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from osf_pipeline.errors import RequestError
from osf_pipeline.tracking.tracker import Tracker


def log_evaluation(
    home: str, shot: str, models: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Record `<shot>/<region>/<metric>` with the run of every model version that drew the shot.

    Args:
        models: as a stylized version's record names them: `model` and `version`.
        rows: `region` and metrics by name; what is no number is left out.

    Returns:
        The versions it was recorded with: all that are registered here, for a shot may have been drawn elsewhere.
    """
    metrics = {
        f"{shot}/{row['region']}/{name}": float(value)
        for row in rows
        for name, value in row.items()
        if isinstance(value, int | float)
    }
    tracker = Tracker.at(home)
    logged = []
    for model, version in sorted({(used["model"], int(used["version"])) for used in models}):
        try:
            run = tracker.run_of(model, version)
        except RequestError:
            continue
        run.log(0, metrics)
        logged.append(f"{model} version {version}")
    return logged
