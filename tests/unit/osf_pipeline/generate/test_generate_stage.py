"""Sets are made once: they continue, grow and change without ever mixing frames of two requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from block_player import block
from PIL import Image

from osf_pipeline.config import dump_yaml
from osf_pipeline.errors import OsfError, RequestError
from osf_pipeline.generate import plan as plan_module
from osf_pipeline.generate import sequence as sequence_module
from osf_pipeline.generate import stage
from osf_pipeline.generate.plan import Cast, GenerateRequest
from osf_pipeline.generate.player import Player
from osf_pipeline.generate.sequence import SequenceWorker
from osf_pipeline.generate.stage import GeneratedSet, generate
from osf_pipeline.layout import Layout
from osf_pipeline.motion.clip import Clip
from osf_pipeline.render.sequence import write_frame
from osf_pipeline.sample.hand import Hand
from osf_pipeline.sample.make import styled_truth
from osf_pipeline.store.claim import hold

Make = Callable[..., GeneratedSet]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    read = Player.of
    monkeypatch.setattr(Player, "of", lambda cast: read(cast) if cast.drawing else block(cast))

    def run(root: Path, **changes: Any) -> GeneratedSet:
        small = {"seed": 2, "sequences": 2, "characters": 2, "frames": 2, "width": 40, "height": 40, **changes}
        return generate(Layout.of(str(root)), GenerateRequest(**small))

    return run


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_a_set_holds_renders_truth_styles_and_a_listing(make: Make, tmp_path: Path) -> None:
    made = make(tmp_path)
    layout = Layout.of(str(tmp_path))
    assert made.shots == ("train-2-0000", "train-2-0001")
    assert made.frames == 4
    assert layout.shots() == list(made.shots)
    assert set(made.styles) == set(layout.styles())
    for shot in made.shots:
        assert set(layout.shot_config(shot).styles.values()) <= set(made.styles)
        names = {f"{shot}.1001.exr", f"{shot}.1002.exr"}
        assert {path.name for path in Path(layout.renders(shot)).iterdir()} == {*names, "shot.yaml"}
        assert names < {path.name for path in Path(layout.truth(shot)).iterdir()}
    for style in made.styles:
        layout.style_config(style)
    listing = json.loads(Path(made.url, "set.json").read_text())
    assert [entry["shot"] for entry in listing["sequences"]] == list(made.shots)
    sheet = np.asarray(Image.open(Path(made.url, "contact.png")))
    assert sheet.std() > 5
    assert abs(int(sheet[0, 0, 0]) - 128) < 2  # not white, which would hide white figures


def test_the_same_request_again_does_no_work(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(tmp_path).reused == 0
    before = files(tmp_path)
    monkeypatch.setattr(SequenceWorker, "__call__", None)
    assert make(tmp_path).reused == 2
    assert files(tmp_path) == before


def test_more_keyframes_are_drawn_and_asked_for_again(make: Make, tmp_path: Path) -> None:
    made = make(tmp_path)
    layout = Layout.of(str(tmp_path))
    assert make(tmp_path, keyframes=2).reused == 0
    assert {len(layout.style_config(style).exemplars) for style in made.styles} == {2}
    assert make(tmp_path, keyframes=2).reused == 2
    # A set of another name that shares the characters' styles took them back.
    for style in made.styles:
        path = Path(layout.style(style), "style.yaml")
        config = layout.style_config(style)
        path.write_bytes(dump_yaml(config.model_copy(update={"exemplars": config.exemplars[:1]})).encode())
    assert make(tmp_path, keyframes=2).reused == 0


def test_more_sequences_keep_the_earlier_ones(make: Make, tmp_path: Path) -> None:
    make(tmp_path)
    before = files(tmp_path / "renders") | files(tmp_path / "truth")
    assert make(tmp_path, sequences=3).reused == 2
    after = files(tmp_path / "renders") | files(tmp_path / "truth")
    assert before.items() < after.items()


def test_a_killed_run_continues_to_the_same_bytes(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "whole")
    written: list[str] = []

    def dying(url: str, frame: Any) -> int:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(url)
        return write_frame(url, frame)

    with monkeypatch.context() as patch:
        patch.setattr(sequence_module, "write_frame", dying)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "killed")
    assert not (tmp_path / "killed/generated/train-2/set.json").exists()
    assert make(tmp_path / "killed").reused == 1
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_a_changed_request_leaves_nothing_of_the_old_frames(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "changed", frames=3)
    make(tmp_path / "changed")
    make(tmp_path / "fresh")
    assert files(tmp_path / "changed") == files(tmp_path / "fresh")


def test_a_sequence_that_is_begun_anew_is_no_finished_shot(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(sequence_module, "write_frame", lambda *_: pytest.fail("stopped here"))
        with pytest.raises(pytest.fail.Exception):
            make(tmp_path, frames=3)
    begun = [shot for shot in ("train-2-0000", "train-2-0001") if not (tmp_path / f"renders/{shot}/shot.yaml").exists()]
    assert len(begun) == 1
    assert not list((tmp_path / "renders" / begun[0]).glob("*.exr"))
    assert make(tmp_path).reused == 1  # back at the first request, what was begun is made again


def test_another_motion_of_the_same_name_is_rendered_anew(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fps, reused in ((24, 0), (24, 2), (48, 0)):  # as long, sampled more finely
        clip = Clip("walk", (), np.zeros(0, int), np.zeros((2 * fps + 1, 0, 3)), fps)
        for module in (stage, sequence_module):
            monkeypatch.setattr(module, "motion", lambda name, folder, clip=clip: clip)
        assert make(tmp_path, motions=("walk",)).reused == reused


def test_a_lost_style_is_made_again(make: Make, tmp_path: Path) -> None:
    made = make(tmp_path)
    before = files(tmp_path)
    (tmp_path / "styles" / made.styles[0] / "style.yaml").unlink()
    assert make(tmp_path).reused < 2
    assert files(tmp_path) == before


def test_an_unknown_motion_is_refused_before_anything_is_written(make: Make, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such motion"):
        make(tmp_path / "none", motions=("walk", "moonwalk"))
    assert not (tmp_path / "none").exists()


def test_a_set_is_made_by_one_run_at_a_time(make: Make, tmp_path: Path) -> None:
    claim = hold(str(tmp_path / "generated/train-2"))
    assert claim is not None
    with claim, pytest.raises(RequestError, match="another run makes this set"):
        make(tmp_path)
    assert not files(tmp_path)
    assert make(tmp_path).reused == 0


def test_renders_of_somebody_else_are_left_alone(make: Make, tmp_path: Path) -> None:
    theirs = tmp_path / "renders/train-2-0001/a.exr"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    with pytest.raises(RequestError, match="not made by `osf generate`"):
        make(tmp_path)
    assert files(tmp_path) == {"renders/train-2-0001/a.exr": b"theirs"}


def test_a_failing_drawing_names_itself_and_leaves_what_is_there(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    before = files(tmp_path)
    bad = tmp_path.parent / f"{tmp_path.name}-bad"
    bad.mkdir()
    (bad / "drawing.png").write_bytes(b"no picture")
    monkeypatch.setattr(stage, "split_of", lambda _: "train")
    with pytest.raises(OsfError) as caught:
        make(tmp_path, drawings=(str(bad),), sequences=3)
    assert caught.value.where["drawing"] == str(bad)
    assert files(tmp_path) == before


def test_drawings_of_other_splits_do_not_play(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pig"
    folder.mkdir()
    (folder / "drawing.png").write_bytes(b"a drawing")
    monkeypatch.setattr(stage, "split_of", lambda _: "val")
    made = make(tmp_path / "root", drawings=(str(folder),), sequences=3)
    assert not [style for style in made.styles if "pig" in style]


def test_two_drawings_of_one_name_are_two_characters(tmp_path: Path) -> None:
    for place, content in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / place / "pig").mkdir(parents=True)
        (tmp_path / place / "pig/drawing.png").write_bytes(content)
    drawings = tuple(str(tmp_path / place / "pig") for place in "abc")
    found = {
        name
        for split in ("train", "val", "test")
        for name in stage._drawings(GenerateRequest(split=split, drawings=drawings))[0]
    }
    assert len(found) == 2


def test_two_actors_are_drawn_each_by_its_own_hand(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Mapping[int, str], dict[int, Hand]]] = []

    def watched(frame: Any, seed: int, hands: dict[int, Hand], scale: float) -> dict[str, np.ndarray]:
        seen.append((frame.now.scene.objects, hands))
        return styled_truth(frame, seed, hands, scale)

    monkeypatch.setattr(sequence_module, "styled_truth", watched)
    monkeypatch.setattr(plan_module, "PAIR", 1.0)
    made = make(tmp_path)
    sources = {f"train-art{number}": number for number in map(int, (style[9:] for style in made.styles))}
    assert seen
    for objects, hands in seen:
        assert sorted(hands) == [1, 2]  # and no prop
        for number, hand in hands.items():
            assert hand.ink == block(Cast(artwork=sources[objects[number]])).hand.ink
            assert hand.accent_parts == (2,), "characters of one build share their part ids"
