"""Blended and held shots through the real stages: the same in any shard, from a bundle, and marked in the record."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from model.strokes import FINE, Stroke, Strokes
from model.stylizer import Architecture, Stylizer
from model.weights import Card, save
from osf_pipeline.errors import InputDataError
from osf_pipeline.evaluation.stage import truth_files
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest import plan
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.replay import origin, pack, replay, unpack
from osf_pipeline.sample.make import SampleRequest, make_sample
from osf_pipeline.store.version import Version, require
from osf_pipeline.stylize.stage import stylize_shot
from osf_pipeline.tracking.tracker import ModelRef, Tracker

pytestmark = pytest.mark.integration

SHOT, CUT = "figure", 1005


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Layout]:
    """One guided shot of two figures that touch, with a cut; stored in shards of 8 frames and of 2."""
    made = Layout.of(str(tmp_path_factory.mktemp("made")))
    make_sample(made, SampleRequest(frames="1001-1007", width=64, height=64, two_figures=True))
    found = {}
    for frames in (8, 2):
        root = tmp_path_factory.mktemp("shards") / str(frames)
        found[frames] = Layout.of(str(shutil.copytree(made.root, root)))
        asked(found[frames], cuts=[CUT])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan, "SHARD_FRAMES", frames)
            ingest_shot(found[frames], SHOT)
        guide_shot(found[frames], SHOT)
    return found


@pytest.fixture(scope="module", autouse=True)
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An untrained network that draws its one plain row along every contour, in place of the registry."""
    torch.manual_seed(0)
    row = torch.zeros(1, 2 * 8 * FINE + 1, 4)
    row[:, 8 * FINE : 10 * FINE + 1] = torch.tensor([0.1, 0.1, 0.3, 1])
    strokes = Strokes.of([Stroke(row, torch.zeros(1, 3))], pixel=0.05)
    net = Stylizer(Architecture(width=8, blocks=1, rows=strokes.rows, reach=strokes.reach))
    net.strokes = strokes
    folder = tmp_path_factory.mktemp("model")
    card = save(folder, net.eval(), Card(net.architecture, 3, 0.05, ((0, 0, 0), (1, 1, 1)), "CC0-1.0", 0, {}))

    class Registry:
        def resolve(self, name: str, _: str | int) -> ModelRef:
            return ModelRef(name, 1, folder, card.sha256, {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "at", lambda *_: Registry())
        yield


def asked(layout: Layout, **keys: Any) -> None:
    """Set keys of shot.yaml; `blend` and `steps` that are not named are off."""
    url = Path(layout.renders(SHOT)) / "shot.yaml"
    said = {k: v for k, v in yaml.safe_load(url.read_text()).items() if k not in ("blend", "steps")}
    url.write_text(yaml.safe_dump(said | keys))


def stylized(layout: Layout, **keys: Any) -> tuple[Version, dict[str, np.ndarray]]:
    asked(layout, **keys)
    stylize_shot(layout, SHOT)
    version = require(layout.store(SHOT, "stylized"), "stylize", SHOT)
    return version, version.read(0, 7)


@pytest.mark.parametrize(
    "keys", [{"blend": 2}, {"steps": {"figure": 3, "friend": 2}, "blend": 1}], ids=["blend", "both"]
)
def test_a_shot_is_the_same_in_any_shards(layouts: dict[int, Layout], keys: dict[str, Any]) -> None:
    (_, whole), (_, small) = (stylized(layouts[frames], **keys) for frames in (8, 2))
    for name, values in whole.items():
        assert values.tobytes() == small[name].tobytes(), name


def test_a_bundle_holds_the_frames_that_a_shard_looks_back_to(layouts: dict[int, Layout], tmp_path: Path) -> None:
    version, _ = stylized(layouts[2], steps={"figure": 3}, blend=2)
    pack(origin(layouts[2], SHOT, "stylized", version.id), 1, tmp_path / "second.zip")
    bundled, number = unpack(tmp_path / "second.zip", tmp_path / "unpacked")
    (result,) = replay(bundled, [number])
    assert result.equal, str(result)
    assert result.arrays == 4


def test_held_frames_show_earlier_drawings_and_are_marked(layouts: dict[int, Layout]) -> None:
    layout = layouts[8]
    plain, alone = stylized(layout)
    twos, held = stylized(layout, steps=2)
    shown = [0, 0, 2, 2, 4, 4, 6]  # anew from the cut at 1005 on
    for name in alone:
        np.testing.assert_array_equal(held[name], alone[name][shown], name)
    assert (plain.stepped, plain.duplicated) == ((), ())
    assert twos.stepped == twos.duplicated == (1002, 1004, 1006)
    config = layout.shot_config(SHOT)
    assert sorted(truth_files(layout, SHOT, config, twos)) == [1001, 1003, 1005, 1007]


def test_one_object_is_held_and_the_other_is_not(layouts: dict[int, Layout]) -> None:
    layout = layouts[8]
    _, alone = stylized(layout)
    version, held = stylized(layout, steps={"figure": 2})
    assert (version.stepped, version.duplicated) == ((1002, 1004, 1006), ())
    left, right = slice(0, 27), slice(37, 64)  # the figures stand side by side, their hands meet in the middle
    np.testing.assert_array_equal(held["fill"][1][..., left], alone["fill"][0][..., left])
    np.testing.assert_array_equal(held["line"][1][..., right], alone["line"][1][..., right])
    assert (alone["fill"][1][..., left] != alone["fill"][0][..., left]).any()


def test_a_blend_leaves_the_fill_and_the_first_frame_after_a_cut_alone(layouts: dict[int, Layout]) -> None:
    layout = layouts[8]
    plain, alone = stylized(layout)
    version, blended = stylized(layout, blend=1)
    assert version.id != plain.id
    np.testing.assert_array_equal(blended["fill"], alone["fill"])
    changed = [bool((a != b).any()) for a, b in zip(blended["line"], alone["line"], strict=True)]
    assert changed == [False, True, True, True, False, True, True]
    again, _ = stylized(layout)
    assert again.id == plain.id


def test_what_a_store_does_not_hold_cannot_be_held_by(layouts: dict[int, Layout], monkeypatch: Any) -> None:
    names = tuple(name for name in require(layouts[8].store(SHOT, "gbuffer"), "", SHOT).names if name != "depth")
    monkeypatch.setattr(Version, "names", names)
    with pytest.raises(InputDataError, match="channel=depth"):
        stylized(layouts[8], steps={"figure": 2})
