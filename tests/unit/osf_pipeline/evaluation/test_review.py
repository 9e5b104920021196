import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from osf_pipeline.color import display, straight_srgb, to_uint8
from osf_pipeline.errors import RequestError
from osf_pipeline.evaluation.evaluate import Candidate, Evaluator
from osf_pipeline.evaluation.review import (
    LABELS,
    SHEET_CELLS,
    SHEET_WIDTH,
    ReviewData,
    ReviewFrame,
    frame_views,
    render_page,
    write_review,
)
from osf_pipeline.evaluation.sheets import columns_for, contact_sheet

HOSTILE = "</script><b>"


class Page(HTMLParser):
    """What a browser sees: the elements, the title and the data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.title = self.data = ""
        self._into = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids.add(dict(attrs).get("id", ""))
        self._into = "data" if dict(attrs).get("id") == "data" else tag

    def handle_endtag(self, tag):
        self._into = ""

    def handle_data(self, data):
        if self._into == "title":
            self.title += data
        elif self._into == "data":
            self.data += data


def views(number: int, height: int = 90, width: int = 200) -> ReviewFrame:
    pixels = np.full((height, width, 4), 255, np.uint8)
    pixels[..., 0] = 3 * number
    return ReviewFrame(number, {"stylized": pixels, "guides": pixels[..., :3]})


def shot(box, truth: bool = True) -> Iterator[ReviewFrame]:
    layers = {"beauty": box.truth.beauty, "line": 0 * box.render, "fill": box.render}
    guides = np.zeros((96, 112, 3), np.uint8)
    for number in (7, 8, 11):
        yield frame_views(number, box.render, layers, guides, box.truth.revealed, box.truth.beauty if truth else None)


@pytest.fixture(scope="module")
def measured(box) -> ReviewData:
    evaluator = Evaluator()
    methods = {HOSTILE: Candidate(box.truth.beauty), "raw render": Candidate(box.render)}
    for frame in (7, 8, 11):
        evaluator.add(frame, box.truth, box.render, methods)
    return ReviewData(
        HOSTILE, "3 frames & <i>more</i>", 24, evaluator.table(), evaluator.curves(), [("style", "<!-- ink")],
        [("preview.mp4", "../preview.mp4")],
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(box, measured, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("review") / "review"
    assert write_review(str(folder), measured, shot(box)) == 3
    return folder


def page_of(folder: Path) -> tuple[str, dict]:
    text = (folder / "index.html").read_text("utf-8")
    return text, json.loads(Page(text).data)


# --- Page


def test_page_needs_no_network(written: Path):
    text, _ = page_of(written)
    assert "http://" not in text
    assert "https://" not in text
    assert not {"link", "iframe"} & set(Page(text).tags)
    assert "@import" not in text


def test_hostile_names_are_data(written: Path, measured: ReviewData):
    text, content = page_of(written)
    page = Page(text)
    assert HOSTILE not in text
    assert "b" not in page.tags
    assert "i" not in page.tags
    assert page.tags.count("script") == 2
    assert page.title == f"{HOSTILE} – review"
    assert content["shot"] == HOSTILE
    assert content["subtitle"] == measured.subtitle
    assert content["provenance"] == [["style", "<!-- ink"]]
    assert content["metrics"][0]["rows"][0]["method"] == HOSTILE


def test_title_cannot_leave_its_element_or_become_an_entity():
    page = Page(render_page("a &lt; $style </title><b>", {}))
    assert page.title == "a &lt; $style </title><b>"
    assert "b" not in page.tags


def test_data_beyond_json_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        render_page("x", {"fps": float("nan")})


def test_every_named_picture_exists(written: Path):
    _, content = page_of(written)
    assert content["frames"] == [7, 8, 11]
    assert [view["key"] for view in content["views"]] == list(LABELS)
    assert [view["label"] for view in content["views"]] == list(LABELS.values())
    named = {f"frames/{v['key']}/{n}.{v['ext']}" for v in content["views"] for n in content["frames"]} | {"sheet.png"}
    on_disk = {str(path.relative_to(written)) for path in written.rglob("*") if path.is_file()}
    assert on_disk == named | {"index.html"}
    for name in named:
        with Image.open(written / name) as picture:
            picture.load()
            if name != "sheet.png":
                assert picture.size == (content["width"], content["height"]) == (112, 96)


def test_pictures_show_their_views(written: Path, box):
    with Image.open(written / "frames/stylized/8.webp") as picture:
        stored = np.asarray(picture.convert("RGBA"))
    expected = straight_srgb(box.truth.beauty)
    np.testing.assert_array_equal(stored[..., 3], expected[..., 3])
    np.testing.assert_array_equal(stored[box.seen], expected[box.seen])  # layers are kept without loss


def test_script_uses_only_what_the_page_has(written: Path):
    text, content = page_of(written)
    script = (resources.files("osf_pipeline.evaluation") / "page" / "app.js").read_text("utf-8")
    assert script in text
    used = set(re.findall(r"(?<![\w.])data\.(\w+)", script))
    assert used == set(content)
    assert set(re.findall(r'\$\("(\w+)"\)', script)) - {"cursor"} <= Page(text).ids


def test_metrics_are_formatted_and_their_best_marked(written: Path):
    _, content = page_of(written)
    assert [block["region"] for block in content["metrics"]] == [
        "all", "visible", "revealed", "contour band", "occlusion band",
    ]  # fmt: skip
    block = content["metrics"][0]
    assert [column["label"] for column in block["columns"]] == [
        "ΔE00 ↓", "contour F1 ↑", "contour recall ↑", "contour precision ↑",
    ]  # fmt: skip
    ours, raw = block["rows"]
    assert [cell["text"] for cell in ours["cells"]] == ["0.00", "1.000", "1.000", "1.000"]
    assert [cell["best"] for cell in ours["cells"]] == [True, True, True, False]  # one method has a precision
    assert raw["cells"][3] == {"text": "–", "best": False}


def test_curves_have_a_value_or_none_per_frame(box, measured: ReviewData, tmp_path: Path):
    curves = measured.curves[(measured.curves["frame"] != 8) | (measured.curves["method"] != HOSTILE)]
    data = ReviewData("s", "", 24, measured.metrics, curves)
    write_review(str(tmp_path), data, shot(box))
    _, content = page_of(tmp_path)
    assert [curve["label"] for curve in content["curves"]] == ["ΔE00, all", "contour F1, occlusion band"]
    assert content["curves"][0]["series"][0] == {"name": HOSTILE, "values": [0.0, None, 0.0]}
    assert all(value > 1 for value in content["curves"][0]["series"][1]["values"])


def test_works_without_metrics_and_truth(box, tmp_path: Path):
    write_review(str(tmp_path), ReviewData("s", "", 25.0), shot(box, truth=False))
    _, content = page_of(tmp_path)
    assert content["metrics"] == content["curves"] == content["provenance"] == content["files"] == []
    keys = [view["key"] for view in content["views"]]
    assert keys == [key for key in LABELS if key not in ("truth", "error")]
    assert {path.name for path in (tmp_path / "frames").iterdir()} == set(keys)


# --- Views


def test_views_mark_what_was_revealed_and_what_differs(box):
    (frame, *_) = shot(box)
    beauty, render = display(box.truth.beauty), display(box.render)
    np.testing.assert_array_equal(frame.views["difference"], to_uint8(np.abs(beauty - render)))
    assert not frame.views["error"].any()
    hidden = box.truth.revealed
    plain = to_uint8(beauty)
    np.testing.assert_array_equal(frame.views["revealed"][~hidden], plain[~hidden])
    line = hidden & (box.truth.line > 0.5)  # black below the mark
    np.testing.assert_allclose(frame.views["revealed"][line], np.broadcast_to([172, 19, 19], (line.sum(), 3)), atol=1)


# --- Contact sheet


def test_sheet_holds_pictures_row_by_row_on_paper():
    pictures = [np.full((4, 6, 3), value, np.uint8) for value in range(5)]
    sheet = contact_sheet(pictures, 3, paper=200)
    assert sheet.shape == (8, 18, 3)
    assert sheet[::4, ::6, 0].tolist() == [[0, 1, 2], [3, 4, 200]]
    assert (sheet[:4, 6:12] == 1).all()
    assert (sheet[4:, 12:] == 200).all()


def test_sheet_refuses_nothing_and_mixed_sizes():
    with pytest.raises(RequestError, match="one size"):
        contact_sheet([], 3)
    with pytest.raises(RequestError, match="one size"):
        contact_sheet([np.zeros((4, 6, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)], 1)


@pytest.mark.parametrize(
    ("count", "width", "height", "columns"),
    [(1, 160, 90, 1), (48, 160, 90, 6), (12, 100, 100, 4), (48, 100, 400, 16), (4, 400, 100, 1)],
)
def test_columns_bring_a_sheet_near_four_to_three(count: int, width: int, height: int, columns: int):
    assert columns_for(count, width, height) == columns


def test_long_shots_are_sampled_evenly_over_the_sheet(tmp_path: Path):
    assert write_review(str(tmp_path), ReviewData("s", "", 24), (views(n) for n in range(1, 81))) == 80
    _, content = page_of(tmp_path)
    positions, columns, rows = (content["sheet"][key] for key in ("positions", "columns", "rows"))
    assert len(positions) == SHEET_CELLS
    assert positions[0] == 0
    assert positions[-1] == 79
    assert set(np.diff(positions)) <= {1, 2}
    assert columns * rows >= SHEET_CELLS > columns * (rows - 1)
    with Image.open(io.BytesIO((tmp_path / "sheet.png").read_bytes())) as picture:
        sheet = np.asarray(picture)
    assert sheet.shape == (rows * 72, columns * SHEET_WIDTH, 3)  # 200x90 brought to 160x72
    red = sheet[36::72, SHEET_WIDTH // 2 :: SHEET_WIDTH, 0].ravel()[:SHEET_CELLS]
    np.testing.assert_allclose(red, [3 * (p + 1) for p in positions], atol=1)


@pytest.mark.parametrize("count", [1, 2, 47])
def test_short_shots_show_every_frame(tmp_path: Path, count: int):
    write_review(str(tmp_path), ReviewData("s", "", 24), (views(n, 8, 8) for n in range(count)))
    _, content = page_of(tmp_path)
    assert content["sheet"]["positions"] == list(range(count))
