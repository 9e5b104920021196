"""Looks and cross-overs through the real stages: identity, parts and objects, the current version, the sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from model.strokes import FINE, Stroke, Strokes
from model.stylizer import Architecture, Stylizer
from model.weights import Card, save
from osf_pipeline.cli.main import app
from osf_pipeline.errors import RequestError
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.sample.make import SampleRequest, make_sample
from osf_pipeline.store.version import current, find
from osf_pipeline.stylize.crossover import cross_over
from osf_pipeline.stylize.stage import stylize_shot
from osf_pipeline.tracking.tracker import ModelRef, Tracker

pytestmark = pytest.mark.integration

SHOT = "figure"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A guided shot of two figures that touch, and presets."""
    root = tmp_path_factory.mktemp("looks")
    layout = Layout.of(str(root))
    make_sample(layout, SampleRequest(frames="1001-1003", width=128, height=128, two_figures=True))
    ingest_shot(layout, SHOT)
    guide_shot(layout, SHOT)
    (root / "presets").mkdir()
    (root / "presets" / "bare.yaml").write_text("line: {draw: false}\n")
    (root / "presets" / "inked.yaml").write_text("line: {color: '#a02020'}\n")
    (root / "presets" / "graded.yaml").write_text("post: [{step: match}, {step: smooth, radius: 1}]\n")
    return layout


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two untrained networks, which draw their one plain row along every contour, in place of the registry."""
    found = {}
    for style, stroke in (("figure", 1), ("bold", 4)):
        torch.manual_seed(0)
        row = torch.zeros(1, 2 * 8 * FINE + 1, 4)
        row[:, 8 * FINE : (8 + stroke) * FINE + 1] = torch.tensor([0.1, 0.1, 0.3, 1])
        strokes = Strokes.of([Stroke(row, torch.zeros(1, 3))], pixel=0.05)
        net = Stylizer(Architecture(width=8, blocks=1, rows=strokes.rows, reach=strokes.reach))
        net.strokes = strokes
        folder = tmp_path_factory.mktemp(style)
        card = Card(net.architecture, float(stroke), 0.05, ((0, 0, 0), (1, 1, 1)), "CC0-1.0", 0, {})
        card = save(folder, net.eval(), card)
        found[f"osf-stylizer-{style}"] = ModelRef(f"osf-stylizer-{style}", 1, folder, card.sha256, {})

    class Registry:
        def resolve(self, model: str, _: str | int) -> ModelRef:
            return found[model]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "at", lambda *_: Registry())
        yield


def configure(layout: Layout, **keys: object) -> None:
    path = Path(layout.renders(SHOT)) / "shot.yaml"
    said = yaml.safe_load(path.read_text())
    said.pop("looks", None)
    path.write_text(yaml.safe_dump(said | keys))


def stored(layout: Layout, version_id: str) -> dict[str, np.ndarray]:
    version = find(layout.store(SHOT, "stylized"), version_id)
    assert version is not None
    return version.read(0, len(version.frames))


def test_a_look_is_part_of_the_identity_and_reaches_its_object_and_part(layout: Layout) -> None:
    configure(layout)
    plain = stylize_shot(layout, SHOT)
    names = layout.shot_config(SHOT)
    first, second = list(names.objects.values())[:2]
    part = next(iter(names.parts.values()))
    configure(
        layout, looks={first: {"line": {"draw": False}}, second: {"parts": {part: {"line": {"color": "#00ff00"}}}}}
    )
    turned = stylize_shot(layout, SHOT)
    assert turned.id != plain.id
    assert stylize_shot(layout, SHOT).reused
    before, after = stored(layout, plain.id), stored(layout, turned.id)
    version = current(layout.store(SHOT, "gbuffer"))
    assert version is not None
    ids = version.read(0, 3, ("object_id",))["object_id"][:, 0]
    number = {name: i for i, name in names.objects.items()}
    assert before["line"][:, 3][ids == number[first]].max() > 0.9
    assert not after["line"][:, 3][ids == number[first]].any()
    np.testing.assert_array_equal(*(found["line"][:, 3][ids == number[second]] for found in (before, after)))
    green = (after["line"][:, 1] > 0.9) & (after["line"][:, 0] < 0.01)
    assert green.any()
    assert not green[ids == number[first]].any()
    configure(layout)
    assert stylize_shot(layout, SHOT).id == plain.id


def test_a_model_of_another_kind_is_to_be_trained_again(layout: Layout, tmp_path: Path) -> None:
    configure(layout)
    model = Tracker.at(layout.home).resolve("osf-stylizer-figure", "champion")
    card = json.loads((model.path / "card.json").read_text())
    architecture = {key: value for key, value in card["architecture"].items() if key not in ("rows", "reach")}
    (tmp_path / "card.json").write_text(json.dumps(card | {"architecture": architecture | {"name": "slim"}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(Tracker.at(layout.home)), "resolve", lambda *_: replace(model, path=tmp_path))
        outcome = CliRunner().invoke(app, ["stylize", SHOT, "--root", layout.root, "--home", layout.home])
    assert outcome.exit_code == 2
    assert "osf train figure" in outcome.output
    assert "'slim'" in outcome.output


def test_a_locked_line_follows_the_size_of_the_figure(layout: Layout) -> None:
    """A pixel of the keyframe covers about twice as much as one of the shot, so the figure stands twice as tall."""
    configure(layout)
    plain = stored(layout, stylize_shot(layout, SHOT).id)
    configure(layout, looks={"*": {"line": {"lock": "character"}}})
    locked = stored(layout, stylize_shot(layout, SHOT).id)
    ratio = locked["line"][:, 3].sum(dtype=float) / plain["line"][:, 3].sum(dtype=float)
    assert ratio > 1.3
    configure(layout)


def test_a_preset_takes_the_place_of_the_shots_looks(layout: Layout) -> None:
    configure(layout, looks={"*": {"line": {"width": 2}}})
    bare = stylize_shot(layout, SHOT, preset="bare")
    assert not stored(layout, bare.id)["line"].any()
    graded = stylize_shot(layout, SHOT, preset="graded").metadata["looks"]
    assert "matrix" in graded[0]["look"], "the version says which colours were matched"
    with pytest.raises(RequestError, match="bare, graded, inked"):
        stylize_shot(layout, SHOT, preset="missing")
    for looks, message in (({"nobody": "bare"}, "looks.nobody"), ({"*": {"parts": {"wing": {}}}}, "part=wing")):
        configure(layout, looks=looks)
        with pytest.raises(RequestError, match=message):
            stylize_shot(layout, SHOT)
    configure(layout)


def test_a_cross_over_leaves_the_current_version_alone(layout: Layout) -> None:
    configure(layout)
    mine = stylize_shot(layout, SHOT)
    result = cross_over(layout, SHOT, ["figure", "bold"], ["inked", "bare"], columns=2)
    now = current(layout.store(SHOT, "stylized"))
    assert now is not None
    assert now.id == mine.id
    rows = result.metadata["versions"]
    assert [row["row"] for row in rows] == ["figure  inked", "figure  bare", "bold  inked", "bold  bare"]
    assert len({row["version"] for row in rows}) == 4
    thin, bold = (stored(layout, rows[i]["version"])["line"][:, 3].sum(dtype=float) for i in (0, 2))
    assert bold > 1.5 * thin
    with Image.open(result.metadata["sheet"]) as sheet:
        width, height = sheet.size
        assert np.asarray(sheet).std() > 10
    again = cross_over(layout, SHOT, ["figure", "bold"], ["inked", "bare"], columns=2)
    assert (again.reused, again.id, again.preview_png) == (True, result.id, result.preview_png)
    with Image.open(cross_over(layout, SHOT, ["figure"], columns=1).metadata["sheet"]) as small:
        assert small.size[0] < width
        assert small.size[1] < height / 2
    with pytest.raises(RequestError, match="needs styles"):
        cross_over(layout, SHOT, [])
