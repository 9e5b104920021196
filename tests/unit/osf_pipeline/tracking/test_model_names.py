"""What a model that is not registered is made by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from osf_pipeline.errors import RequestError
from osf_pipeline.tracking.tracker import Tracker, model_name


class Empty:
    """A registry without models."""

    def search_model_versions(self, _: str) -> list[Any]:
        return []

    def search_registered_models(self) -> list[Any]:
        return [SimpleNamespace(name="osf-stylizer-chalk")]


@pytest.mark.parametrize(
    ("model", "command"),
    [(model_name("ink"), "`osf train ink`"), ("osf-occlusion", "`osf train-occlusion`"), ("own", "Register it first.")],
)
def test_a_missing_model_names_the_command_that_makes_it(tmp_path: Any, model: str, command: str) -> None:
    tracker = Tracker(cast("Any", Empty()), "", tmp_path)
    with pytest.raises(RequestError) as caught:
        tracker.resolve(model, "champion")
    assert command in caught.value.fix
    assert "osf-stylizer-chalk" in caught.value.fix
