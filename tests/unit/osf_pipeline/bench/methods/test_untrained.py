import numpy as np
import pytest

from osf_pipeline.bench.method import Budget
from osf_pipeline.bench.methods.registry import methods
from osf_pipeline.bench.methods.untrained import (
    CarriedTexture,
    ConstantLine,
    ConstantOverlay,
    RawRender,
    constant_line,
    in_rec709,
)
from osf_pipeline.color import decode_srgb, display, encode_srgb
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES, convert
from osf_pipeline.training.exemplar import ExemplarData, prepare

STROKE, INK = 4, np.array([0.1, 0.05, 0.3], np.float32)
"""As the fixtures draw."""


def test_names_are_those_of_the_methods():
    found = methods()
    assert list(found)[:3] == ["raw render", "texture lookup", "constant line overlay"]
    assert all(method.name == name and method.meaning for name, method in found.items())


def test_the_render_stays_as_it_is(shot, drawn):
    frames = shot(60)
    beauty = RawRender().drawer([drawn], RawRender().fit([drawn], Budget(1)))(frames, 0).beauty
    np.testing.assert_array_equal(beauty, frames.buffers[0]["color"].astype(np.float32))
    assert RawRender().macs(RawRender().fit([drawn], Budget(1)), 512, 512) == 0


def test_the_texture_is_the_drawing_on_its_keyframe(shot, drawn):
    draw = CarriedTexture().drawer([drawn], CarriedTexture().fit([drawn], Budget(1)))
    painted = display(draw(shot(76), 0).beauty)
    expected = np.where(drawn.drawing[3:] > 0, drawn.drawing[:3], 1)
    np.testing.assert_allclose(painted, expected, atol=1e-5)


def test_the_constant_line_is_the_drawn_one(drawn):
    line = constant_line([drawn])
    assert line.start == 0
    assert line.stop == pytest.approx(STROKE, abs=0.5)
    np.testing.assert_allclose(line.ink, INK, atol=0.03)
    assert line.opacity == pytest.approx(1, abs=0.05)


def test_the_overlay_draws_the_arm_before_the_body(shot, drawn):
    draw = ConstantOverlay().drawer([drawn], ConstantOverlay().fit([drawn], Budget(1)))
    found = draw(shot(40), 0)
    assert found.line is not None
    row = found.line[55]
    np.testing.assert_allclose(row[41:43], 1, atol=0.02)  # inside the arm's left edge
    assert row[45:47].max() < 0.1  # beyond the stroke
    assert row[36:39].max() == 0  # the body behind it
    np.testing.assert_allclose(found.beauty[:3, 55, 41], decode_srgb(INK), atol=0.02)
    # The line stays within the render's coverage.
    np.testing.assert_array_equal(found.beauty[3], shot(40).buffers[0]["color"][3])


def test_a_line_outside_the_silhouette_adds_coverage(shot):
    seen = shot(40).buffers[0]
    line = ConstantLine(-3.0, 2.0, np.zeros(3), 1.0)
    found = line.over(seen["color"], seen["contour"][0], seen["contour_side"][0] > 0, seen["part_id"][0] > 0)
    outside = (seen["part_id"][0] == 0) & (seen["contour"][0] <= 2)
    assert found.beauty[3][outside].min() > 0.9
    assert found.beauty[3][seen["contour"][0] > 6].max() <= 1


def test_a_thin_ink_lets_the_fill_through(shot, drawn):
    """Half-opaque black over the same figure in two fills: opacity and ink are told apart."""
    bright = drawn.buffers["color"].astype(np.float32)
    bright[:3, :48] *= 0.2
    fill = display(bright)
    line = prepare(drawn).inked.numpy() > 0
    assert line.any()
    target = drawn.drawing.copy()
    inked = np.abs(drawn.drawing[:3] - INK[:, None, None]).max(0) < 1e-6
    target[:3] = np.where(inked, 0.5 * fill, fill) * (target[3:] > 0)
    found = constant_line([ExemplarData({**drawn.buffers, "color": bright}, target, drawn.mask)])
    assert found.opacity == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(found.ink, 0, atol=0.06)


def test_an_exemplar_of_other_primaries_is_brought_to_the_footage(drawn):
    wide = SPACES["acescg"]
    color = convert(drawn.buffers["color"].astype(np.float32), LINEAR_REC709, wide)
    straight = convert(decode_srgb(drawn.drawing[:3]), LINEAR_REC709, wide)
    other = ExemplarData(
        {**drawn.buffers, "color": color},
        np.concatenate([encode_srgb(straight), drawn.drawing[3:]]).astype(np.float32),
        drawn.mask,
        wide,
    )
    back = in_rec709(other)
    np.testing.assert_allclose(back.buffers["color"], drawn.buffers["color"], atol=2e-3)
    np.testing.assert_allclose(back.drawing, drawn.drawing, atol=2e-3)
    assert back.space is LINEAR_REC709
