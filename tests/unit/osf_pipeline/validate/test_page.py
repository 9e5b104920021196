"""The validation page: what it says, and that nothing in a file can make it do more."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from osf_pipeline.cli.main import app
from osf_pipeline.config import Camera, ShotConfig
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.validate.findings import Finding
from osf_pipeline.validate.page import page, report_facts
from osf_pipeline.validate.preflight import preflight
from osf_pipeline.validate.schema import MANIFEST, findings_table

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7777*7 }}"


class Reader(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def cells(self, cls: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.tags if cls in (attributes.get("class") or "").split()]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def manifest(statuses: dict[int, str], name: str = "a.{}.exr", channels: str = "A,B,G,R") -> pd.DataFrame:
    rows = [
        (frame, "" if s == "missing" else f"/r/{name.format(frame)}", 10 * frame, "1700000000.5", "", 4, 3, 0, 0, 3, 2,
         "" if s in ("missing", "damaged") else channels, s)
        for frame, s in statuses.items()
    ]  # fmt: skip
    return MANIFEST.validate(pd.DataFrame(rows, columns=list(MANIFEST.columns)))


def finding(rule: str, severity: Any, frame: int | None, value: str, fix: str = "Mend it.") -> Finding:
    return Finding(rule, severity, f"/r/a.{frame}.exr" if frame else "", frame, "R", value, fix)


def test_nothing_in_a_file_becomes_markup() -> None:
    evil = Finding(EVIL, "error", f"/r/{EVIL}.exr", 1, EVIL, EVIL, EVIL)
    binding = {
        "channels": [EVIL], "scale": [], "offset": [], "space": "camera", "averaged": False, "matte": "", "note": EVIL,
    }  # fmt: skip
    source = {
        "adapter": EVIL, "evidence": EVIL, "bindings": {"color": binding}, "derived": {"depth": EVIL}, "flags": [EVIL],
        "color_dtype": "float16",
    }  # fmt: skip
    facts = {
        "tier": "estimated", "source": source,
        "color_space": {"name": EVIL, "chromaticities": [0.1] * 8},
        "settings": ShotConfig(source=EVIL, view=EVIL).model_dump(mode="json"),
    }  # fmt: skip
    table = manifest({1: "ok"}, channels=EVIL).assign(file=f"/r/{EVIL}.exr", mtime=EVIL)
    found = Reader(page(EVIL, table, findings_table([evil]), facts))
    tags = [tag for tag, _ in found.tags]
    assert tags.count("script") == 1
    assert not {"img", "iframe", "link", "object", "base", "form"} & set(tags)
    assert found.words.count("onerror=alert(2)") >= 12, "it is told as text"
    assert "54439" not in found.words
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        links = [attributes[name] or "" for name in ("src", "href") if name in attributes]
        assert all(link.startswith("#frame") for link in links), "nothing is fetched"
    policy = next(a["content"] for t, a in found.tags if t == "meta" and "http-equiv" in a)
    assert (policy or "").startswith("default-src 'none'")


def test_findings_are_grouped_worst_first_and_name_frames_as_ranges() -> None:
    findings = [
        finding("stale", "warning", 3, "old"),
        finding("gap", "error", 5, "frame 5 is missing"),
        finding("gap", "error", 6, "frame 6 is missing"),
        finding("gap", "error", 8, "frame 8 is missing"),
        finding("motion", "note", None, "nothing proves it"),
        finding("stale", "warning", 4, "old"),
    ]
    html = page("s1", manifest(dict.fromkeys(range(1, 10), "ok")), findings_table(findings), {})
    words = Reader(html).words
    assert words.index("error gap 3 findings 5-6,8") < words.index("warning stale 2 findings 3-4")
    assert words.index("warning stale") < words.index("note motion 1 finding whole shot")
    assert "5-6,8 R frame # is missing" in words
    assert "3 errors, 2 warnings, 1 note" in words
    assert words.count("Mend it.") == 3, "once for each rule"


def test_the_strip_shows_how_every_frame_stands() -> None:
    statuses = {1: "ok", 2: "ok", 3: "ok", 4: "damaged", 5: "missing", 6: "quarantined", 7: "held"}
    found = [
        finding("stale", "warning", 2, "old"),
        finding("stale", "warning", 3, "old"),
        finding("x", "error", 3, "y"),
    ]
    html = Reader(page("s1", manifest(statuses), findings_table(found), {}))
    strip = [attributes for tag, attributes in html.tags if tag == "a"]
    states = ["ok", "warning", "error", "damaged", "missing", "quarantined", "held"]
    assert [cell["class"] for cell in strip] == [f"s-{state}" for state in states]
    assert strip[2]["title"] == "frame 3: ok, warning stale, error x"
    rows = {attributes["id"] for tag, attributes in html.tags if tag == "tr" and "id" in attributes}
    assert {cell["href"] for cell in strip} == {f"#{name}" for name in rows}


def test_stored_tables_make_the_same_page(tmp_path: Path) -> None:
    table, found = manifest({1: "ok", 2: "missing"}), findings_table([finding("a", "note", None, "v")])
    written = pd.DataFrame([vars(finding("a", "note", None, "v")), vars(finding("b", "note", 2, "w"))])
    written.to_parquet(tmp_path / "findings.parquet")
    words = Reader(page("s1", table, pd.read_parquet(tmp_path / "findings.parquet"), {})).words
    assert "note a 1 finding whole shot" in words
    assert "note b 1 finding 2" in words
    assert page("s1", table, found, {}) == page("s1", table, found.astype({"frame": "float64"}), {})


def test_buffers_say_where_they_come_from_and_what_is_missing(figure: Any, tmp_path: Path) -> None:
    for frame in (1, 2):
        figure.write(tmp_path / f"a.{frame}.exr", frame, depth__Z=None)
    config = ShotConfig(camera={1: Camera(scale=2), 2: Camera(scale=3)}, scale={"motion": (1, -1)}, cuts=(2,))
    report = preflight(config, find_sequence(str(tmp_path), "*.exr"))
    facts = report_facts(config, report)
    words = Reader(page("s1", report.manifest, report.table, facts | {"ranges": {"color": [-0.25, 2.5]}})).words
    assert "depth missing" in words
    assert "motion motion.X, motion.Y × (1, -1) 2 × float32" in words
    assert "color R, G, B, A as stored 4 × float16 -0.25 2.5" in words
    assert "tier estimated" in words
    assert "depth: missing, so the store is of tier estimated" in words
    assert "one for each of 2 frames, first ortho, scale 2" in words
    assert "colour of the store linear-rec709" in words
    assert "alpha premultiplied" in words


@pytest.mark.parametrize("bad", ["one damaged", "all damaged"])
def test_the_page_is_there_when_the_data_are_refused(figure: Any, tmp_path: Path, bad: str) -> None:
    folder = tmp_path / "renders" / "s1"
    figure.sequence(folder)
    for path in sorted(folder.iterdir())[: 1 if bad == "one damaged" else None]:
        path.write_bytes(path.read_bytes()[:100])
    out = tmp_path / "new" / "page.html"
    done = CliRunner().invoke(app, ["validate", "s1", "--root", str(tmp_path), "--page", str(out)])
    assert done.exit_code == 3
    assert f"page {out}" in done.output
    words = Reader(out.read_text()).words
    assert "error truncated" in words
    assert ("3 ok 1 damaged: 1" if bad == "one damaged" else "4 damaged: 1-4") in words
