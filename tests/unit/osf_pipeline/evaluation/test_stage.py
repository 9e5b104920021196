"""When the review page is made anew; what is on it is tested in test_review."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from osf_pipeline.errors import RequestError
from osf_pipeline.evaluation import stage
from osf_pipeline.evaluation.stage import REVIEW_RECORD, review_shot
from osf_pipeline.layout import Layout
from osf_pipeline.store.files import write_bytes
from osf_pipeline.store.version import Version, set_current

SHOT, ID = "walk", "0123456789abcdef"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A root whose shot has a stylized record: enough to decide about reuse."""
    layout = Layout.of(str(tmp_path))
    renders = Path(layout.renders(SHOT))
    renders.mkdir(parents=True)
    (renders / "shot.yaml").write_text("fps: 24\n")
    store = Path(layout.store(SHOT, "stylized"))
    store.mkdir(parents=True)
    (store / f"{ID}.json").write_text(json.dumps({"id": ID, "attempt": "a", "frames": [1, 2], "attributes": {}}))
    set_current(str(store), ID)
    return layout


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands in for making the page: what each call was given."""
    calls: list[dict[str, Any]] = []

    def make(layout, shot, config, version: Version, truths, delivered, url: str, progress) -> None:
        assert not calls or (Path(url) / REVIEW_RECORD).exists()
        calls.append({"truths": dict(truths), "delivered": delivered, "fps": config.fps})
        write_bytes(f"{url}/index.html", b"page")
        write_bytes(f"{url}/sheet.png", b"sheet")

    monkeypatch.setattr(stage, "_review", make)
    return calls


def put(layout: Layout, name: str, content: dict[str, Any]) -> None:
    path = Path(layout.delivery(SHOT, ID)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_a_second_run_makes_nothing(layout: Layout, made: list[dict[str, Any]]):
    first, second = review_shot(layout, SHOT), review_shot(layout, SHOT)
    assert (first.reused, second.reused, len(made)) == (False, True, 1)
    assert first.kind == second.kind == "review"
    assert first.url == second.url == f"{layout.delivery(SHOT, ID)}/review/index.html"
    assert Path(second.url).read_bytes() == b"page"


def test_what_comes_later_makes_the_page_anew(layout: Layout, made: list[dict[str, Any]]):
    def again() -> bool:
        remade = not review_shot(layout, SHOT).reused
        assert review_shot(layout, SHOT).reused
        return remade

    assert again()
    put(layout, "delivery.json", {"video": "walk.mp4"})
    assert again()
    assert made[-1]["delivered"] == {"video": "walk.mp4"}
    put(layout, "evaluation/summary.json", {"of": {"version": 1}, "table": []})
    assert again()
    (Path(layout.renders(SHOT)) / "shot.yaml").write_text("fps: 25\n")
    assert again()
    assert made[-1]["fps"] == 25
    truth = Path(layout.truth(SHOT))
    truth.mkdir(parents=True)
    for frame in (1, 2):
        (truth / f"{SHOT}.{frame:04d}.exr").touch()
    assert again()
    assert set(made[-1]["truths"]) == {1, 2}
    (truth / f"{SHOT}.0002.exr").write_bytes(b"drawn anew")
    assert again()
    assert len(made) == 6


def test_a_line_that_is_drawn_anew_makes_the_page_anew(layout: Layout, made: list[dict[str, Any]]):
    renders = Path(layout.renders(SHOT))
    (renders / "shot.yaml").write_text('reference: "ref/frame_####_stylized.png"\n')
    (renders / "ref").mkdir()
    (renders / "ref" / "frame_0001_stylized.png").touch()
    assert not review_shot(layout, SHOT).reused
    (renders / "ref" / "frame_0001_contour.png").write_bytes(b"line")
    assert not review_shot(layout, SHOT).reused
    (renders / "ref" / "frame_0001_contour.png").write_bytes(b"another")
    assert not review_shot(layout, SHOT).reused
    assert review_shot(layout, SHOT).reused
    assert list(made[-1]["truths"]) == [1]


def test_a_page_cut_off_is_not_reused(layout: Layout, made: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch):
    def cut(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, "_review", cut)
        with pytest.raises(KeyboardInterrupt):
            review_shot(layout, SHOT)
    assert not (Path(layout.delivery(SHOT, ID)) / "review" / REVIEW_RECORD).exists()
    assert not review_shot(layout, SHOT).reused


def test_a_shot_without_drawings_names_the_stage_to_run(tmp_path: Path):
    with pytest.raises(RequestError, match="stylize"):
        review_shot(Layout.of(str(tmp_path)), SHOT)


@pytest.mark.parametrize("how", ["quarantined", "held"])
def test_frames_of_a_bad_source_are_not_measured(layout: Layout, made: list[dict[str, Any]], how: str):
    truth = Path(layout.truth(SHOT))
    truth.mkdir(parents=True)
    for frame in (1, 2):
        (truth / f"{SHOT}.{frame:04d}.exr").write_bytes(b"truth")
    record = Path(layout.store(SHOT, "stylized")) / f"{ID}.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "attributes": {how: [2]}}))
    result = review_shot(layout, SHOT)
    assert list(made[0]["truths"]) == [1]
    assert getattr(result, how) == (2,)
