"""`osf train --set`: words to keys of a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from osf_pipeline.cli.main import app
from osf_pipeline.cli.train import assigned
from osf_pipeline.config import checked
from osf_pipeline.errors import RequestError
from osf_pipeline.training.recipe import TrainRecipe


def test_values_are_typed_by_the_recipe() -> None:
    words = ["rate=1e-3", "tier=estimated", "trim_halo=false", "patience=0", "losses={mine: 0.5}", "augmentations=[a]"]
    recipe = checked(assigned(words), TrainRecipe)
    assert (recipe.rate, recipe.tier, recipe.trim_halo, recipe.patience) == (1e-3, "estimated", False, 0)
    assert (recipe.losses, recipe.augmentations) == ({"mine": 0.5}, ("a",))


@pytest.mark.parametrize("word", ["rate", "rate={"])
def test_a_word_that_sets_nothing_is_refused(word: str) -> None:
    with pytest.raises(RequestError, match=r"--set KEY=VALUE|as in style\.yaml"):
        assigned([word])


def test_an_unknown_key_and_a_bad_value_are_named(tmp_path: Path) -> None:
    style = tmp_path / "styles" / "ink" / "style.yaml"
    style.parent.mkdir(parents=True)
    style.write_text("exemplars: [{keyframe: k.exr, drawing: d.png}]\n")
    for word, named in (("ratee=1", "ratee"), ("rate=fast", "fast")):
        result = CliRunner().invoke(app, ["train", "ink", "--root", str(tmp_path), "--set", word])
        assert result.exit_code == 2
        assert named in result.output
        assert "Known keys" in result.output
