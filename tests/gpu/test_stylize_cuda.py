"""The stylizer on CUDA agrees with the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.stylizer import Architecture
from model.stylizer import Stylizer as Network
from model.weights import Card
from osf_pipeline.stylize.frame import Stylizer

pytestmark = pytest.mark.gpu


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_layers_agree_with_the_cpu_within_rounding() -> None:
    torch.manual_seed(0)
    network = Network(Architecture(width=8, blocks=1, rows=20, reach=6))
    network.strokes.values.uniform_(0, 1)
    network.strokes.rest.normal_()
    network.strokes.loop[:] = torch.tensor([0, 20])
    network.strokes.pixel.fill_(1e9)  # rows are not shifted: how far hangs on the last bit of a distance
    card = Card(network.architecture, 4.0, 0.01, ((-1.0,) * 3, (1.0,) * 3), "none", 0, {})
    rng = np.random.default_rng(0)
    frame = {
        "color": rng.random((4, 96, 80)).astype(np.float16),
        "contour": (rng.random((1, 96, 80)) * 12).astype(np.float16),
        "contour_side": (rng.random((1, 96, 80)) > 0.5).astype(np.uint8),
        "contour_step": rng.random((1, 96, 80)).astype(np.float16),
        "confidence": np.ones((1, 96, 80), np.float16),
        "rest_position": rng.normal(size=(3, 96, 80)).astype(np.float32),
    }
    here, there = (Stylizer(network, card, device=device)(frame) for device in ("cpu", "cuda"))
    for name, layer in here.items():
        np.testing.assert_allclose(there[name].astype(np.float32), layer.astype(np.float32), atol=4e-3, err_msg=name)
