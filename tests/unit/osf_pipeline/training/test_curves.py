import io

import numpy as np
from PIL import Image

from osf_pipeline.training.curves import plot, table

HISTORY = [
    {"step": 1.0, "total": 1.5, "learning_rate": 1e-4},
    {"step": 2.0, "total": 1.25, "learning_rate": 2e-4, "held_out": 1.125},
]


def test_the_table_has_a_row_for_every_step():
    assert table(HISTORY) == "step,total,learning_rate,held_out\n1,1.5,0.0001,\n2,1.25,0.0002,1.125\n"


def test_the_plot_shows_training_and_held_out():
    pixels = np.asarray(Image.open(io.BytesIO(plot(HISTORY))).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 180) & (pixels[..., 1:] < 80).all(2)
    assert red.sum() > 20
