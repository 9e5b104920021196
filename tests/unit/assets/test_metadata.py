from __future__ import annotations

import base64
import io
from pathlib import Path

import dagster as dg
import numpy as np
from PIL import Image

from assets.metadata import PREVIEW_BYTES, location, preview, values


def png(height: int, width: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 4), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


def shown(found: dict[str, dg.MarkdownMetadataValue]) -> bytes:
    text = str(found["preview"].value)
    return base64.b64decode(text.removeprefix("![preview](data:image/png;base64,").removesuffix(")"))


def test_a_small_preview_is_kept_as_it_is() -> None:
    small = png(8, 8)
    assert shown(preview(small)) == small


def test_a_large_preview_is_made_smaller_and_keeps_its_proportions() -> None:
    large = png(300, 600)
    found = shown(preview(large))
    assert len(large) > PREVIEW_BYTES >= len(found)
    picture = Image.open(io.BytesIO(found))
    assert abs(picture.width / picture.height - 2) < 0.1


def test_no_preview_is_no_entry() -> None:
    assert preview(None) == {}


def test_values_become_what_the_ui_can_show() -> None:
    found = values(
        {"n": 3, "ok": True, "text": "a", "rows": [{"region": "all", "psnr": 30.5, "frame": None}], "list": []}
    )
    assert (found["n"], found["ok"], found["text"]) == (3, True, "a")
    assert found["rows"].records[0].data == {"region": "all", "psnr": 30.5, "frame": ""}
    assert isinstance(found["list"], dg.JsonMetadataValue)


def test_a_folder_has_a_size_and_a_page_has_a_link(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_bytes(bytes(2_000_000))
    assert location(str(tmp_path))["megabytes"] == 2.0
    assert "open" not in location(str(tmp_path))
    assert location(str(page))["open"].value == page.as_uri()
