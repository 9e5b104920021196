import io

import numpy as np
import pandas as pd
from PIL import Image

from osf_pipeline.bench.crops import SIDE, _place, worst
from osf_pipeline.bench.plots import OURS_COLOR, bars, curves


def summary(values, metric="st_lpips"):
    return pd.DataFrame(
        {
            "region": "all", "metric": metric, "method": list(values), "median": list(values.values()),
            "median_low": [v - 0.1 for v in values.values()], "median_high": [v + 0.1 for v in values.values()],
        }
    )  # fmt: skip


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def length(png, color=OURS_COLOR):
    """Widest run of a colour, in pixels."""
    wanted = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
    return int((pixels(png) == wanted).all(2).sum(1).max())


def test_a_bar_is_as_long_as_its_median():
    short, long = (bars(summary({"ours": value, "other": 1.0}), "all", "ours") for value in (0.25, 0.5))
    assert abs(length(long) / length(short) - 2) < 0.05
    assert bars(summary({"ours": 0.5, "other": 1.0}), "all", "ours") == long


def test_a_method_without_a_value_has_no_bar():
    rows = pd.concat([summary({"ours": 0.5, "other": 1.0}), summary({"other": 0.5}, "contour_f1")])
    assert pixels(bars(rows, "all", "ours")).shape[1] > pixels(bars(summary({"ours": 0.5}), "all", "ours")).shape[1]


def test_a_sweep_is_drawn_over_its_places():
    rows = summary({"0.5": 0.3, "1": 0.2})
    assert curves(rows, "all", "size", [0.5, 1.0]) != curves(rows, "all", "size", [0.5, 2.0])


def test_the_worst_frame_of_the_worst_sequences_metric_by_metric():
    def curve(**values):
        return pd.DataFrame(
            [
                {"region": region, "metric": metric, "frame": 1001 + i, "value": value}
                for metric, numbers in values.items()
                for i, value in enumerate(numbers)
                for region in ("all", "occlusion band")
            ]
        )

    curves_ = {
        "a": curve(st_lpips=[0.1, 0.3], contour_f1=[0.2, 0.9]),
        "b": curve(st_lpips=[0.5, 0.2], contour_f1=[0.8, 0.7]),
        "c": curve(st_lpips=[0.4, np.nan]),
    }
    found = worst(curves_, ["st_lpips", "contour_f1"], "occlusion band", 2)
    assert [(w.metric, w.sequence, w.frame) for w in found] == [
        ("st_lpips", "b", 1001), ("st_lpips", "c", 1001), ("contour_f1", "a", 1001), ("contour_f1", "b", 1002),
    ]  # fmt: skip


def test_a_crop_shows_the_greatest_error_and_stays_inside():
    error = np.zeros((200, 150), np.float32)
    error[190:, 5:12] = 1
    rows, columns = _place(error)
    assert (rows, columns) == (slice(200 - SIDE, 200), slice(0, SIDE))
    assert [s.start for s in _place(np.zeros((40, 300), np.float32))] == [0, 0]
