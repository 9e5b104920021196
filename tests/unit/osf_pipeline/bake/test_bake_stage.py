"""Baking a shot: what comes back on the texture, what is written, and what is refused."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Picture

from osf_pipeline.bake import stage
from osf_pipeline.bake.stage import bake_shot
from osf_pipeline.color import encode_srgb
from osf_pipeline.errors import InputDataError, OsfError, RequestError
from osf_pipeline.exr.read import Image, read_exr
from osf_pipeline.inspection import delivered
from osf_pipeline.layout import Layout
from osf_pipeline.results import StageResult

if TYPE_CHECKING:
    from conftest import CharacterShot, Shot

SIZE = 64


def noisy(frame: int, color: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(frame).normal(0, 0.05, color[:3].shape)
    return np.concatenate([color[:3] + noise * color[3:], color[3:]])


def one_red_frame(frame: int, color: np.ndarray) -> np.ndarray:
    red = np.array([1, 0, 0])[:, None, None] * color[3:]
    return np.concatenate([red, color[3:]]) if frame == 4 else color


def half(frame: int, color: np.ndarray) -> np.ndarray:
    return np.concatenate([color[:3] * 0.5, color[3:]])


def baked(shot: Shot, **options: Any) -> StageResult:
    return bake_shot(shot.layout, shot.name, size=SIZE, **options)


def texture(result: StageResult, name: str = "plate") -> tuple[np.ndarray, np.ndarray]:
    """(3, rows, columns) colour and (rows, columns) coverage of a baked texture."""
    image = read_exr(f"{result.url}/{name}/texture.exr")
    return np.stack([image.channels[c] for c in "RGB"]).astype(np.float64), image.channels["coverage"].astype(float)


def projection(result: StageResult, frame: int) -> Image:
    return read_exr(f"{result.url}/projection/plate.{frame:04d}.exr")


def psnr(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(-10 * np.log10(np.square(found - truth)[:, where].mean()))


def contents(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_renders_give_back_their_texture(shot: Shot) -> None:
    result = baked(shot.stylized())
    found, coverage = texture(result)
    seen = coverage > 0.5
    assert seen.mean() > 0.98
    assert psnr(found, shot.plate.texture, seen) > 40
    with Picture.open(f"{result.url}/plate/texture.png") as file:
        pixels = np.moveaxis(np.asarray(file), -1, 0) / 255
    assert psnr(pixels, encode_srgb(shot.plate.texture), seen) > 40
    (row,) = result.metadata["objects"]
    assert (row["object"], row["size"], row["character"]) == ("plate", "64x64", False)
    assert row["seen"] > 0.98
    assert result.metadata["delta_e"] < 0.7
    assert result.preview_png is not None


def test_noise_averages_out(shot: Shot) -> None:
    """Eight frames of noise at 26 dB."""
    result = baked(shot.stylized(noisy))
    found, coverage = texture(result)
    assert psnr(found, shot.plate.texture, coverage > 0.5) > 32
    assert result.metadata["variance_removed"] > 0.9
    assert result.metadata["flicker_projected"] < 0.3 * result.metadata["flicker"]


def test_a_frame_unlike_the_others_is_left_out(shot: Shot) -> None:
    found, coverage = texture(baked(shot.stylized(one_red_frame)))
    assert psnr(found, shot.plate.texture, coverage > 0.5) > 37


def test_projection_shows_the_texture_in_the_windows_of_the_source(shot: Shot) -> None:
    result = baked(shot.stylized())
    image = projection(result, 3)
    source = read_exr(f"{shot.layout.renders(shot.name)}/plate.0003.exr")
    assert image.window == source.window
    assert image.header.display_window == source.header.display_window
    assert image.header.attributes["shotgrid"] == "kept"
    assert image.header.attributes["osf:frame"] == 3
    np.testing.assert_array_equal(image.channels["A"], source.channels["A"])
    off = np.abs(np.stack([image.channels[c].astype(float) - source.channels[c] for c in "RGB"]))
    assert off[:, source.channels["A"] == 1].mean() < 0.01
    assert off.max() < 0.3, "soft edges go on"
    weight = image.channels["weight.Y"].astype(float)
    assert 0.3 < weight.max() <= 1
    assert not weight[source.channels["object_id.I"] == 0].any()
    assert image.channels["coverage.Y"][weight > 0.3].min() > 0.5


def test_same_request_does_no_work(shot: Shot, monkeypatch: pytest.MonkeyPatch) -> None:
    first = baked(shot.stylized())
    before = contents(first.url)
    monkeypatch.setattr(stage, "_bake", lambda *_: pytest.fail("baked again"))
    second = baked(shot)
    assert second.reused
    assert (second.url, second.metadata, second.preview_png) == (first.url, first.metadata, first.preview_png)
    assert contents(first.url) == before


def test_other_settings_and_other_frames_are_other_bakes(shot: Shot) -> None:
    shot.stylized()
    results = [baked(shot), baked(shot, layers="beauty"), bake_shot(shot.layout, shot.name, size=32)]
    results.append(baked(shot.stylized(half)))
    assert len({result.url for result in results}) == len({result.id for result in results}) == 4
    bright, dark = texture(results[0])[0], texture(results[3])[0]
    assert dark.mean() / bright.mean() == pytest.approx(0.5, rel=0.02)
    assert texture(results[2])[0].shape == (3, 32, 32)


def test_a_bake_that_died_is_done_again_to_the_same_bytes(short_shot: Shot, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = baked(short_shot)
    expected = contents(whole.url)
    for path in Path(whole.url).rglob("*.*"):
        path.unlink()
    real, calls = stage.write_planes, []

    def dies(*args: Any, **options: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(stage, "write_planes", dies)
    with pytest.raises(KeyboardInterrupt):
        baked(short_shot)
    assert stage.RECORD not in contents(whole.url)
    monkeypatch.setattr(stage, "write_planes", real)
    again = baked(short_shot)
    assert not again.reused
    assert contents(again.url) == expected


def test_quarantined_frames_are_skipped_and_listed(shot: Shot) -> None:
    """A quarantined frame is empty in a store; here it even shows something, and still says nothing."""
    result = baked(shot.stylized(one_red_frame, quarantined=(4,)))
    assert result.quarantined == tuple(result.metadata["quarantined"]) == (4,)
    assert not Path(f"{result.url}/projection/plate.0004.exr").exists()
    assert Path(f"{result.url}/projection/plate.0005.exr").exists()
    found, coverage = texture(result)
    assert psnr(found, shot.plate.texture, coverage > 0.5) > 38


def test_bakes_keep_their_versions(shot: Shot) -> None:
    result = baked(shot.stylized())
    assert result.url.rsplit("/", 1)[-1].split("-")[0] in delivered(shot.layout, shot.name)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"objects": ["cup"]}, RequestError, r"no such stylized object.*Stylized: plate \(1\)"),
        ({"layers": "line"}, RequestError, "unknown layer"),
        ({"size": 1}, RequestError, "at least 2 pixels"),
    ],
)
def test_wrong_requests_are_refused(shot: Shot, options: dict[str, Any], error: type[OsfError], message: str) -> None:
    shot.stylized()
    with pytest.raises(error, match=message):
        bake_shot(shot.layout, shot.name, **options)


@pytest.mark.parametrize("name", ["plate", "1"])
def test_objects_go_by_name_or_id(shot: Shot, name: str) -> None:
    assert baked(shot.stylized(), objects=[name]).id == baked(shot).id


def test_a_shot_that_is_not_stylized_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="osf stylize"):
        bake_shot(Layout.of(str(tmp_path)), "plate")


def test_renders_without_uv_are_refused(shot_without_uv: Shot) -> None:
    with pytest.raises(InputDataError, match=r"no uv.*osf render"):
        baked(shot_without_uv)


def pixels_of(data: bytes) -> np.ndarray:
    with Picture.open(io.BytesIO(data)) as file:
        return np.asarray(file)


def test_a_characters_unseen_half_stays_and_its_glb_has_the_new_texture(character_shot: CharacterShot) -> None:
    shot, character = character_shot.shot, character_shot.character
    result = bake_shot(shot.layout, shot.name)
    found, coverage = texture(result)
    assert found.shape == (3, 64, 128)
    seen = coverage[:, :64] > 0.5
    assert seen.mean() > 0.9
    assert psnr(found[:, :, :64], shot.plate.texture, seen) > 35
    assert not coverage[:, 64:].any()
    files = contents(f"{result.url}/plate")
    baked_pixels = pixels_of(files["texture.png"])
    np.testing.assert_array_equal(baked_pixels[:, 64:], np.round(character.texture[:, 64:] * 255))
    glb = files["plate.glb"]
    assert glb[:4] == b"glTF"
    np.testing.assert_array_equal(pixels_of(glb[glb.index(b"\x89PNG") :])[..., :3], baked_pixels)
    (row,) = result.metadata["objects"]
    assert row["character"]
    assert row["size"] == "128x64"
    assert row["seen"] == pytest.approx(0.5, abs=0.02), "the front of two sides"


def test_a_characters_texture_may_have_another_size(character_shot: CharacterShot) -> None:
    shot = character_shot.shot
    (row,) = bake_shot(shot.layout, shot.name, size=96).metadata["objects"]
    assert row["size"] == "96x48"


def test_a_repainted_character_is_another_bake(character_shot: CharacterShot) -> None:
    shot, character = character_shot.shot, character_shot.character
    first = bake_shot(shot.layout, shot.name)
    replace(character, texture=character.texture * 0.5).save(f"{shot.layout.character('plate')}/1")
    second = bake_shot(shot.layout, shot.name)
    assert not second.reused
    assert second.url != first.url
