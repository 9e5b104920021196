"""The hand of a real drawing draws as its outline was drawn; pens keep their size in any picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from block_player import block
from scipy import ndimage

from osf_pipeline.color import decode_srgb, encode_srgb
from osf_pipeline.config import Camera
from osf_pipeline.drawing.contour import find_line
from osf_pipeline.drawing.drawing import Drawing
from osf_pipeline.drawing.folder import DrawingFolder
from osf_pipeline.drawing.outline import outlines
from osf_pipeline.drawing.skeleton import Skeleton
from osf_pipeline.drawing.strip import measure_strip
from osf_pipeline.generate.hands import PENCIL, in_scene, measured_hand, pen_scale
from osf_pipeline.generate.plan import Cast
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.scene import Mesh, Plain, Scene

PAPER, FILL = 0.96, np.array([0.85, 0.75, 0.5])


def drawn(width: float, ink: tuple[float, float, float], opacity: np.ndarray | float = 1.0) -> Drawing:
    """An egg with an outline of a pen; `opacity` (scene-linear) is given at every pixel."""
    y, x = np.mgrid[:240, :200] - np.array([120, 100])[:, None, None]
    mask = np.hypot(x, 0.8 * y) < 80
    inside = ndimage.distance_transform_edt(mask)
    line = ndimage.gaussian_filter(((inside > 0) & (inside <= width)).astype(float), 0.4)[..., None]
    alpha = line * np.broadcast_to(opacity, mask.shape)[..., None]
    flat = np.where(mask[..., None], FILL, PAPER)
    image = encode_srgb(decode_srgb(flat) * (1 - alpha) + alpha * decode_srgb(np.array(ink))).astype(np.float32)
    fill = np.broadcast_to(FILL, image.shape).astype(np.float32)
    found = find_line(image, mask, outlines(mask)[0])
    return Drawing(
        image, mask.astype(np.float32), mask, np.zeros_like(mask), fill, measure_strip(image, fill, found),
        Skeleton(()),
    )  # fmt: skip


@pytest.mark.parametrize(("width", "ink"), [(3, (0.2, 0.15, 0.4)), (10, (0.2, 0.15, 0.4)), (6, (0.1, 0.3, 0.7))])
def test_width_and_ink_are_those_of_the_line(width: float, ink: tuple[float, float, float]) -> None:
    hand = measured_hand(drawn(width, ink), 0.5)
    assert hand.width + hand.overshoot == pytest.approx(0.5 * width, abs=0.4)
    assert hand.limits[0] < hand.width + 0.2 < hand.limits[1] + 0.5
    found = np.array(list(bytes.fromhex(hand.ink[1:]))) / 255
    np.testing.assert_allclose(found, ink, atol=0.1)
    assert hand.darkness > 0.9
    assert hand.fade < 0.1


def test_a_line_that_comes_and_goes_fades() -> None:
    y = np.mgrid[:240, :200][0]
    faded = np.where(y < 80, 0.4, 1.0)
    hand = measured_hand(drawn(6, (0.2, 0.15, 0.4), faded), 0.5)
    assert hand.darkness > 0.9
    assert hand.fade > 0.25
    assert hand.faintest == pytest.approx(0.4, abs=0.12)


def test_a_figure_without_an_outline_gets_a_pencil() -> None:
    assert measured_hand(drawn(0, (0, 0, 0)), 0.5) == PENCIL


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "width", "ink"), [("char1", 16, "#271c58"), ("char3", 3, "#48341b"), ("char5", 2, "#5e7faa")]
)
def test_hands_of_real_drawings(shared_data: Path, name: str, width: float, ink: str) -> None:
    """Felt pen, thin pencil, thin coloured pencil; inks are the mean of the line's darkest pixels on the picture."""
    drawing, _ = DrawingFolder.at(str(shared_data / "drawings" / name)).read()
    hand = measured_hand(drawing, 1.0)
    assert hand.width == pytest.approx(width, abs=1)
    np.testing.assert_allclose(list(bytes.fromhex(hand.ink[1:])), list(bytes.fromhex(ink[1:])), atol=20)
    assert hand.darkness > 0.6


def test_accents_follow_a_character_to_its_block_of_part_ids() -> None:
    player = block(Cast(artwork=1))
    moved = Mesh(
        player.character.rest, player.character.faces, (player.character.part + 7).astype(np.uint16), 2,
        lambda _: player.character.rest, Plain((1, 1, 1)),
    )  # fmt: skip
    assert in_scene(player.hand, player.character, moved).accent_parts == (9,)


def test_the_pen_is_as_large_in_perspective_as_where_the_figure_stands() -> None:
    player = block(Cast(artwork=1))
    body = player.character
    mesh = Mesh(body.rest, body.faces, body.part, 1, lambda _: body.rest, Plain((1, 1, 1)))

    def scale(camera: Camera, size: int = 32) -> float:
        return pen_scale(render_frame(Scene((mesh,), lambda _: camera), 0, (size, size)))

    ortho = Camera(scale=2.2, position=(0, 0.9, 6))
    fov = float(np.degrees(2 * np.arctan(1.1 / 6)))
    assert scale(ortho, 64) == pytest.approx(2 * scale(ortho))
    assert scale(Camera(projection="persp", fov=fov, position=(0, 0.9, 6))) == pytest.approx(scale(ortho))
    near = scale(Camera(projection="persp", fov=fov, position=(0, 0.9, 3)))
    assert near == pytest.approx(2 * scale(ortho))
