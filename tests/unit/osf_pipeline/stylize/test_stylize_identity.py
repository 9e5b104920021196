"""What of a model's card counts as deciding how it draws."""

from dataclasses import replace
from typing import Any

import pytest

from model.stylizer import Architecture
from model.weights import Card
from osf_pipeline.colorspaces.spaces import SPACES
from osf_pipeline.stylize.stage import _decisive

CARD = Card(Architecture(8, 1), 5.0, 0.01, ((0, 0, 0), (1, 1, 1)), "CC0-1.0", 0, {"steps": 10, "withhold": []})


@pytest.mark.parametrize(
    "change",
    [
        {"stroke": 6.0},
        {"tier": "estimated"},
        {"color_space": SPACES["acescg"].attributes},
        {"recipe": CARD.recipe | {"withhold": ["contour"]}},
        {"architecture": Architecture(8, 1, rows=3)},
    ],
)
def test_what_changes_the_line_changes_the_identity(change: dict[str, Any]) -> None:
    assert _decisive(replace(CARD, **change), locked=False) != _decisive(CARD, locked=False)


@pytest.mark.parametrize(
    "change", [{"license": "CC-BY-4.0"}, {"seed": 3}, {"recipe": CARD.recipe | {"steps": 20}}, {"metrics": {"a": 1.0}}]
)
def test_what_does_not_change_the_line_keeps_it(change: dict[str, Any]) -> None:
    assert _decisive(replace(CARD, **change), locked=True) == _decisive(CARD, locked=True)


def test_the_keyframes_scale_counts_where_a_line_is_locked_to_the_character() -> None:
    larger = replace(CARD, pixel=0.02)
    assert _decisive(larger, locked=False) == _decisive(CARD, locked=False)
    assert _decisive(larger, locked=True) != _decisive(CARD, locked=True)
