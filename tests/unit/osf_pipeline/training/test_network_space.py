"""A style learns in the space it names, and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.color import from_drawing
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES, convert
from osf_pipeline.config import StyleConfig, dump_yaml
from osf_pipeline.layout import Layout
from osf_pipeline.stylize.frame import Stylizer
from osf_pipeline.training.exemplar import exemplar_from_arrays, load_exemplars
from osf_pipeline.training.loop import train
from osf_pipeline.training.recipe import TrainRecipe
from osf_pipeline.training.stage import train_style

ACESCG = SPACES["acescg"]
TINY = TrainRecipe(steps=3, width=8, blocks=1, batch=2, patch=32, pool=2, snapshot=3, threads=1)


@pytest.fixture
def style(tmp_path: Path, figure: Any) -> StyleConfig:
    """A keyframe in ACEScg of a green that Rec. 709 does not hold, and a drawing in red and half covered grey."""
    seen = figure.channels(1)["A"]
    green = {c: seen * np.float16(v) for c, v in zip("RGB", (0.05, 0.8, 0.05), strict=True)}
    figure.write(tmp_path / "key.exr", 1, attributes={"colorInteropID": "lin_ap1_scene"}, **green)
    pixels = np.full((figure.height, figure.width, 4), (255, 0, 0, 255), np.uint8)
    pixels[40:] = (128, 128, 128, 100)
    Image.fromarray(pixels).save(tmp_path / "drawing.png")
    return StyleConfig.model_validate(
        {"exemplars": [{"keyframe": "key.exr", "drawing": "drawing.png", "mask": "drawing.png"}]}
    )


def test_keyframe_and_drawing_meet_in_the_networks_space(tmp_path: Path, style: StyleConfig) -> None:
    (plain,) = load_exemplars(style, str(tmp_path))
    (wide,) = load_exemplars(style, str(tmp_path), ACESCG)
    assert (plain.space, wide.space) == (LINEAR_REC709, ACESCG)
    assert plain.buffers["color"][0].min() < -0.1
    assert wide.buffers["color"].min() == 0, "the file's own numbers"
    np.testing.assert_array_equal(plain.buffers["color"], convert(wide.buffers["color"], ACESCG, LINEAR_REC709))
    red, grey = wide.drawing[:, 0, 0], wide.drawing[:, 50, 0]
    linear = from_drawing(torch.from_numpy(wide.drawing)[None])[0].numpy()
    np.testing.assert_allclose(linear[:3, 0, 0], [0.6131, 0.0702, 0.0206], atol=2e-4)  # first column of 709 to AP1
    assert red[3] == 1
    np.testing.assert_allclose(grey, np.array([128, 128, 128, 100]) / 255, atol=1e-6)
    np.testing.assert_array_equal(wide.mask, plain.mask)


def test_the_default_is_what_the_picture_says_bit_for_bit(tmp_path: Path, style: StyleConfig) -> None:
    (plain,) = load_exemplars(style, str(tmp_path))
    pixels = np.asarray(Image.open(tmp_path / "drawing.png"), np.float32) / 255
    np.testing.assert_array_equal(plain.drawing, pixels.transpose(2, 0, 1))


@pytest.fixture(scope="module")
def learnt(make_keyframe: Any) -> Any:
    return train([exemplar_from_arrays(*make_keyframe(ink=(0.9, 0.1, 0.2)), space=ACESCG)], TINY)


def test_the_card_says_what_was_learnt_in(learnt: Any, keyframe: Any) -> None:
    assert learnt.card.color_space == ACESCG.attributes
    assert train([exemplar_from_arrays(*keyframe)], TINY).card.color_space == LINEAR_REC709.attributes


def test_a_trained_line_means_colours_of_its_space(learnt: Any, keyframe: Any) -> None:
    """Neutral colour has the same numbers in both spaces, so one network draws the same numbers in both."""
    buffers, _ = keyframe
    seen = buffers["part_id"] > 0
    frame = {
        "color": np.concatenate([np.repeat(0.18 * seen, 3, 0), seen]).astype(np.float16),
        "contour": np.minimum(np.hypot(*np.mgrid[-48:48, -48:48]), 32).astype(np.float16)[None],
        "contour_side": seen.astype(np.uint8),
        "contour_step": np.ones_like(seen, np.float16),
        "confidence": np.ones_like(seen, np.float16),
        "rest_position": buffers["rest_position"],
    }
    wide = Stylizer(learnt.model, learnt.card)(frame)["line"]
    plain = Stylizer(learnt.model, replace(learnt.card, color_space=LINEAR_REC709.attributes))(frame)["line"]
    assert plain[3].max() > 0.5
    np.testing.assert_allclose(convert(wide, LINEAR_REC709, ACESCG), plain.astype(np.float32), atol=1e-3)
    assert np.abs(wide.astype(np.float32) - plain).max() > 0.01


def test_another_space_is_another_training(tmp_path: Path, style: StyleConfig, monkeypatch: Any) -> None:
    class Asked(Exception):
        pass

    def find(model: str, tag: str, training: str) -> None:
        raise Asked(training)

    monkeypatch.setattr("osf_pipeline.tracking.tracker.Tracker.at", lambda home: SimpleNamespace(find=find))
    layout = Layout.of(str(tmp_path))
    folder = tmp_path / "styles" / "ink"
    folder.mkdir(parents=True)
    for name in ("key.exr", "drawing.png"):
        (tmp_path / name).rename(folder / name)

    def training(**changes: str) -> str:
        (folder / "style.yaml").write_text(dump_yaml(style.model_copy(update=changes)))
        with pytest.raises(Asked) as caught:
            train_style(layout, "ink")
        return str(caught.value)

    assert training() == training(network_space="linear-rec709") != training(network_space="acescg")
