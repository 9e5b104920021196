"""Fixtures every tier uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Quiet and offline before any of these libraries is imported.
os.environ.update(
    DAGSTER_DISABLE_TELEMETRY="yes",
    MLFLOW_DISABLE_TELEMETRY="true",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_DATA_DISABLE_PROGRESS_BARS="1",
    RAY_AUTH_MODE="disabled",
)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real sample data beside the checkout; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared sample data is not beside this checkout")
    return SHARED_DATA
