import pytest
import torch
from torch import nn

from osf_pipeline.colorspaces.spaces import LINEAR_REC709
from osf_pipeline.training.exemplar import drawn_line, exemplar_from_arrays, prepare
from osf_pipeline.training.patches import PatchPool
from osf_pipeline.training.recipe import TrainRecipe
from osf_pipeline.training.views import drawn, region_metrics, views

INK = torch.tensor((0.1, 0.05, 0.3))
"""Of the drawing in `make_keyframe`."""


class Fake(nn.Module):
    """Draws ink of one colour where `where` (H, W) is true."""

    def __init__(self, where, ink=INK):
        super().__init__()
        self.where, self.ink = nn.Buffer(where.float()), ink
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x_BCHW):
        height, width = self.where.shape
        out = torch.full((1, 4, *x_BCHW.shape[2:]), -30.0)
        out[:, :3] = torch.logit(self.ink).view(1, 3, 1, 1)
        out[0, 3, :height, :width] = 60 * self.where - 30
        return out


@pytest.fixture(scope="module")
def keyframe_view(make_keyframe):
    prepared = prepare(exemplar_from_arrays(*make_keyframe()))
    return views(PatchPool([prepared], drawn_line([prepared]), TrainRecipe()), composites=0)[0]


@pytest.fixture(scope="module")
def line(keyframe_view):
    """(H, W) bool, where the keyframe is drawn on."""
    plate = keyframe_view.plate
    return ((plate.target - plate.fill).float().abs() > 0.1).any(0)


def test_a_perfect_line_scores_full(keyframe_view, line):
    metrics = region_metrics(Fake(line), [keyframe_view], LINEAR_REC709)
    # Limbs grow on without an outline, so a still pose has silhouettes alone.
    assert set(metrics) == {"silhouette.line_recall", "silhouette.line_precision", "silhouette.color_error"}
    assert metrics["silhouette.line_recall"] == metrics["silhouette.line_precision"] == 1
    assert metrics["silhouette.color_error"] < 0.02


def test_no_line_recalls_nothing_and_has_no_precision(keyframe_view, line):
    metrics = region_metrics(Fake(line & False), [keyframe_view], LINEAR_REC709)
    assert metrics["silhouette.line_recall"] == 0
    assert "silhouette.line_precision" not in metrics
    assert metrics["silhouette.color_error"] > 0.5


def test_half_a_line_is_precise_and_a_flood_recalls(keyframe_view, line):
    half = line.clone()
    half[:, line.shape[1] // 2 :] = False
    metrics = region_metrics(Fake(half), [keyframe_view], LINEAR_REC709)
    assert metrics["silhouette.line_recall"] == pytest.approx(0.5, abs=0.05)
    assert metrics["silhouette.line_precision"] == 1
    flood = region_metrics(Fake(line | True), [keyframe_view], LINEAR_REC709)
    assert flood["silhouette.line_recall"] == 1
    assert flood["silhouette.line_precision"] < 0.85


def test_the_wrong_ink_is_a_colour_error(keyframe_view, line):
    right, wrong = (
        region_metrics(Fake(line, ink), [keyframe_view], LINEAR_REC709)["silhouette.color_error"]
        for ink in (INK, INK.flip(0))
    )
    assert wrong > right + 0.2


def test_crossing_limbs_have_inner_contours(make_keyframe):
    prepared = prepare(exemplar_from_arrays(*make_keyframe()))
    shown = views(PatchPool([prepared], drawn_line([prepared]), TrainRecipe(composites=1.0)), composites=3)
    assert len(shown) == 4
    assert not shown[0].regions["inner"].any()
    assert any(view.regions["inner"].any() for view in shown[1:])
    for view in shown:
        assert not (view.regions["inner"] & view.regions["silhouette"]).any()


def test_a_drawn_view_has_the_views_own_size(keyframe_view, line):
    assert drawn(Fake(line), keyframe_view).shape == (4, *line.shape)
