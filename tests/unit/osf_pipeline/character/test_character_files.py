"""Saving and loading characters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from osf_pipeline.character.build import BuildReport
from osf_pipeline.character.character import ARRAYS, CARD, TEXTURE, Character
from osf_pipeline.errors import InputDataError

Built = tuple[Character, BuildReport]
FIELDS = ("rest", "faces", "part", "weights", "uv", "texture")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_character_comes_back_as_it_was(spread: Built, tmp_path: Path) -> None:
    character, _ = spread
    character.save(str(tmp_path / "one"))
    again = Character.load(str(tmp_path / "one"))
    for name in FIELDS:
        before, after = getattr(character, name), getattr(again, name)
        assert before.dtype == after.dtype, name
        assert np.array_equal(before, after), name
    assert (again.bones, again.pixel, again.origin) == (character.bones, character.pixel, character.origin)
    again.save(str(tmp_path / "two"))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_character_goes_to_any_file_system(spread: Built) -> None:
    spread[0].save("memory://characters/one")
    assert np.array_equal(Character.load("memory://characters/one").rest, spread[0].rest)


def test_a_missing_character_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="cannot be read") as caught:
        Character.load(str(tmp_path / "none"))
    assert str(tmp_path / "none") in str(caught.value)


@pytest.mark.parametrize("file", [ARRAYS, CARD, TEXTURE])
def test_damage_is_refused(file: str, spread: Built, tmp_path: Path) -> None:
    spread[0].save(str(tmp_path))
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputDataError, match="cannot be read"):
        Character.load(str(tmp_path))


@pytest.mark.parametrize("change", [{"format": 2}, {"colour": "red"}, {"bones": []}])
def test_another_card_is_refused(change: dict[str, object], spread: Built, tmp_path: Path) -> None:
    spread[0].save(str(tmp_path))
    card = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps(card | change))
    with pytest.raises(InputDataError):
        Character.load(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rest", np.zeros((7, 3))),
        ("faces", np.full((1, 3), 10**6, np.int32)),
        ("part", np.zeros(3, np.float32)),
        ("weights", None),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, value: np.ndarray | None, spread: Built, tmp_path: Path) -> None:
    spread[0].save(str(tmp_path))
    arrays = safetensors.numpy.load((tmp_path / ARRAYS).read_bytes())
    arrays = {key: array for key, array in arrays.items() if key != name} | ({} if value is None else {name: value})
    (tmp_path / ARRAYS).write_bytes(safetensors.numpy.save(arrays))
    with pytest.raises(InputDataError, match="do not fit"):
        Character.load(str(tmp_path))
