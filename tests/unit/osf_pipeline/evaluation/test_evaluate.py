import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.errors
import pytest

from osf_pipeline.color import display
from osf_pipeline.evaluation.evaluate import TABLE, Candidate, Evaluator, best, csv, headline, markdown
from osf_pipeline.evaluation.metrics import METRICS
from osf_pipeline.evaluation.regions import REGIONS

STILL = np.zeros((2, 96, 112), np.float32)
VALID = np.ones((96, 112), np.uint8)


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first - second).mean(0)


@pytest.fixture(scope="module")
def evaluator(box) -> Evaluator:
    """Two still frames of the truth itself and of the raw render; the truth has a line layer."""
    out = Evaluator(perceptual=distance)
    methods = {"truth": Candidate(box.truth.beauty, box.truth.line), "raw render": Candidate(box.render)}
    for frame in (1, 2):
        out.add(frame, box.truth, box.render, methods, motion=STILL, motion_valid=VALID)
    return out


@pytest.fixture(scope="module")
def table(evaluator) -> pd.DataFrame:
    return evaluator.table()


def of(table: pd.DataFrame, method: str, region: str) -> pd.Series:
    return table[(table["method"] == method) & (table["region"] == region)].set_index("metric")["value"]


# --- Scores


PERFECT = {
    "st_lpips": 0, "flip": 0, "ciede2000": 0, "psnr": np.inf, "ssim": 1, "silhouette_iou": 1, "sharpness": 1,
    "contour_f1": 1, "contour_recall": 1, "contour_precision": 1, "stray_ink": 0, "interior_ink": 0, "ghost_ink": 0,
    "width_change": 0, "flicker": 0, "flicker_drawn": 0, "contour_instability": 0, "layer_f1": 1, "layer_recall": 1,
    "layer_precision": 1,
}  # fmt: skip


@pytest.mark.parametrize("region", ["all", "visible", "revealed", "contour band", "occlusion band"])
def test_the_truth_scores_best_possible(table, region: str):
    scores = of(table, "truth", region)
    assert list(scores.index) == list(METRICS)
    # What was hidden a frame ago has no past, nor a far side here; and nothing moves: no change to divide by.
    lacking = (
        ("flicker", "flicker_drawn", "contour_instability", "width_change", "ghost_ink") if region == "revealed" else ()
    )
    exact = {name: value for name, value in PERFECT.items() if name not in lacking}
    assert scores[list(exact)].to_dict() == pytest.approx(exact)
    assert scores[[*lacking, "width_ratio", "warp_ratio"]].isna().all()
    assert scores["offset"] <= scores["offset_rms"] < 0.3
    assert scores["line_width"] == pytest.approx(3, abs=0.6)


def test_a_method_without_a_line_fails_and_is_no_match(table):
    scores = of(table, "raw render", "all")
    assert scores["contour_recall"] == scores["contour_f1"] == 0
    assert np.isnan(scores["contour_precision"])
    assert np.isnan(scores["offset"])
    assert scores["flicker"] == scores["contour_instability"] == 0  # never drawn, so never toggling
    assert np.isnan(scores["flicker_drawn"])
    assert not {"layer_f1", "layer_recall", "layer_precision"} & set(scores.index)
    assert scores["ciede2000"] > 1
    assert scores["ssim"] < 0.99
    assert scores["sharpness"] < 0.9


def moving(box, steps: int = 3) -> list[tuple]:
    """The box, its truth and its exact motion, a pixel right and two down each frame, while its line darkens."""
    frames = []
    for k in range(steps):

        def moved(plane: np.ndarray, k: int = k) -> np.ndarray:
            return np.roll(plane, (2 * k, k), (-2, -1))

        truth = box.truth
        planes = (truth.beauty, truth.line, truth.contour, truth.occlusion, truth.to_centre, truth.width)
        # A line that darkens: the truth itself changes.
        beauty = moved(truth.beauty) + np.float32(0.05 * k) * np.float32([1, 1, 1, 0])[:, None, None] * moved(
            truth.line
        )
        seen = moved(box.seen)
        truth = type(truth)(beauty, *map(moved, planes[1:]), np.zeros_like(seen), moved(truth.far))
        field = np.where(seen, np.array([1, 2])[:, None, None], 0).astype(np.float32)
        frames.append((k + 1, truth, moved(box.render), field, seen))
    return frames


def test_over_time_the_truth_is_the_measure_of_change(box):
    evaluator = Evaluator()
    for frame, truth, render, motion, valid in moving(box):
        methods = {"truth": Candidate(truth.beauty), "render": Candidate(render)}
        evaluator.add(frame, truth, render, methods, motion=motion, motion_valid=valid)
    table = evaluator.table()
    assert of(table, "truth", "all")["warp_ratio"] == 1
    assert of(table, "truth", "all")["flicker"] == 0
    assert of(table, "render", "all")["warp_ratio"] < 0.01  # it is carried by the surface and has no line
    assert set(evaluator.curves().query("metric == 'warp_ratio'")["frame"]) == {2, 3}


def test_methods_may_be_measured_together_or_apart(box):
    def run(*methods: str) -> pd.DataFrame:
        evaluator = Evaluator()
        for frame, truth, render, motion, valid in moving(box):
            target = evaluator.target(frame, truth, render, motion=motion, motion_valid=valid)
            drawn = {"truth": Candidate(truth.beauty, truth.line), "render": Candidate(render)}
            for method in methods:
                evaluator.measure(target, method, drawn[method])
        return evaluator.table()

    together, apart = run("truth", "render"), pd.concat([run("truth"), run("render")], ignore_index=True)
    pd.testing.assert_frame_equal(together, apart)


def test_a_frame_that_does_not_follow_starts_anew(box):
    evaluator = Evaluator()
    for number in (5, 6, 1, 2):
        evaluator.add(
            number, box.truth, box.render, {"m": Candidate(box.truth.beauty)}, motion=STILL, motion_valid=VALID
        )
    assert set(evaluator.curves().query("metric == 'flicker'")["frame"]) == {6, 2}


def test_a_method_that_misses_a_frame_has_no_past(box):
    evaluator = Evaluator()
    for number in (1, 2, 3):
        target = evaluator.target(number, box.truth, box.render, motion=STILL, motion_valid=VALID)
        if number != 2:
            evaluator.measure(target, "m", Candidate(box.truth.beauty))
    assert "flicker" not in set(evaluator.table()["metric"])


def test_methods_named_like_regions_or_metrics_keep_their_order(box):
    evaluator = Evaluator()
    evaluator.add(1, box.truth, box.render, {"visible": Candidate(box.render), "ssim": Candidate(box.render)})
    table = evaluator.table()
    assert list(dict.fromkeys(table["region"])) == list(REGIONS)
    assert list(dict.fromkeys(table["method"])) == ["visible", "ssim"]


def test_a_line_that_flickers_is_counted_from_the_second_frame(box):
    evaluator = Evaluator()
    drawn, missed = Candidate(box.truth.beauty), Candidate(box.render)
    for frame, candidate in ((1, drawn), (2, missed), (3, missed)):
        evaluator.add(frame, box.truth, box.render, {"m": candidate}, motion=STILL, motion_valid=VALID)
    curve = evaluator.curves().query("metric == 'flicker' and region == 'all'").set_index("frame")["value"]
    assert curve.to_dict() == {2: 1.0, 3: 0.0}
    assert of(evaluator.table(), "m", "all")["flicker"] == 0.5


def test_without_motion_there_is_no_flicker(box):
    evaluator = Evaluator()
    for frame in (1, 2):
        evaluator.add(frame, box.truth, box.render, {"m": Candidate(box.render)})
    metrics = set(evaluator.table()["metric"])
    assert "flicker" not in metrics
    assert "st_lpips" not in metrics


def test_means_weigh_pixels_alike_over_frames(box):
    """Two frames whose revealed regions differ in size and whose errors differ."""
    evaluator = Evaluator()
    squares = []
    target = display(box.truth.beauty)
    for frame, columns, gain in ((1, 30, 0.5), (2, 90, 0.9)):
        revealed = np.zeros((96, 112), np.float32)
        revealed[:, :columns] = 1
        truth = replace(box.truth, revealed=None)
        beauty = box.truth.beauty * np.array([gain, gain, gain, 1], np.float32)[:, None, None]
        evaluator.add(frame, truth, box.render, {"m": Candidate(beauty)}, revealed=revealed)
        everything = np.zeros((96, 112), bool)
        everything[10:86, 14:98] = True
        chosen = everything & (revealed > 0)
        squares.append(((display(beauty) - target) ** 2).mean(0)[chosen])
    table = evaluator.table()
    row = table[(table["region"] == "revealed") & (table["metric"] == "psnr")].iloc[0]
    pooled = np.concatenate(squares)
    assert row["value"] == pytest.approx(-10 * np.log10(pooled.mean()), abs=1e-4)
    assert (row["pixels"], row["frames"]) == (pooled.size, 2)
    each = -10 * np.log10([s.mean() for s in squares])
    assert abs(row["value"] - each.mean()) > 0.2  # a mean of frames would differ
    curve = evaluator.curves().query("metric == 'psnr' and region == 'revealed'")
    np.testing.assert_allclose(curve["value"], each, atol=1e-4)


def test_f1_is_the_harmonic_mean(box):
    half = box.truth.beauty.copy()
    half[:, :, 70:] = box.render[:, :, 70:]
    evaluator = Evaluator()
    evaluator.add(1, box.truth, box.render, {"m": Candidate(half)})
    scores = of(evaluator.table(), "m", "all")
    r, p = scores["contour_recall"], scores["contour_precision"]
    assert 0.5 < r < 0.95
    assert scores["contour_f1"] == pytest.approx(2 * r * p / (r + p))


def test_background_decides_what_is_seen(box):
    """A white figure without coverage is invisible on white."""
    white = box.render.copy()
    white[:3, box.seen] = 1
    scores = {}
    for background in ("white", "black"):
        evaluator = Evaluator(background=background)
        evaluator.add(1, box.truth, box.render, {"none": Candidate(0 * white), "white": Candidate(white)})
        table = evaluator.table()
        scores[background] = [of(table, method, "all")["ciede2000"] for method in ("none", "white")]
    assert scores["white"][0] == scores["white"][1]
    assert scores["black"][0] != scores["black"][1]


def test_lines_are_looked_for_on_the_same_background(box):
    evaluator = Evaluator(background="black")
    evaluator.add(1, box.truth, box.render, {"truth": Candidate(box.truth.beauty)})
    scores = of(evaluator.table(), "truth", "all")
    assert scores["contour_f1"] == 1
    assert scores["stray_ink"] == 0


def test_parts_become_regions(box):
    evaluator = Evaluator(parts={1: "arm"})
    part_id = box.seen.astype(np.uint8)
    evaluator.add(1, box.truth, box.render, {"m": Candidate(box.render)}, part_id=part_id)
    table = evaluator.table()
    assert list(dict.fromkeys(table["region"])) == [*REGIONS, "part arm"]
    psnr = table[(table["region"] == "part arm") & (table["metric"] == "psnr")].iloc[0]
    assert psnr["pixels"] == box.seen.sum()


# --- Tables


def test_table_passes_its_schema_in_a_steady_order(table):
    TABLE.validate(table)
    assert list(table.columns) == ["method", "region", "metric", "value", "frames", "pixels"]
    assert list(dict.fromkeys(table["method"])) == ["truth", "raw render"]
    assert list(dict.fromkeys(table["region"])) == list(REGIONS)
    assert set(table["frames"]) == {1, 2}  # flicker has one frame less


@pytest.mark.parametrize(
    ("column", "value"), [("value", 1.5), ("metric", "beauty"), ("frames", 0), ("pixels", -1), ("region", "visible")]
)
def test_schema_refuses_what_cannot_be(table, column: str, value: object):
    broken = table.copy()
    index = broken.index[(broken["metric"] == "contour_f1") & (broken["region"] == "all")][0]
    broken.loc[index, column] = value
    with pytest.raises(pandera.errors.SchemaError):
        TABLE.validate(broken)


def test_csv_round_trips(table):
    back = pd.read_csv(io.StringIO(csv(table)))
    pd.testing.assert_frame_equal(back, table, check_exact=False, rtol=1e-8)


def test_headline_names_defined_values(table):
    found = headline(table)
    assert found["truth/occlusion_band/contour_f1"] == 1
    assert found["raw_render/all/contour_recall"] == 0
    assert "raw_render/all/contour_precision" not in found


def rows(metric: str, values: dict[str, float], region: str = "all") -> pd.DataFrame:
    return pd.DataFrame(
        [(method, region, metric, value, 1, 10) for method, value in values.items()],
        columns=["method", "region", "metric", "value", "frames", "pixels"],
    )


@pytest.mark.parametrize(
    ("metric", "values", "expected"),
    [
        ("ciede2000", {"a": 2.0, "b": 1.0, "c": 3.0}, "b"),
        ("ssim", {"a": 0.2, "b": 0.1, "c": 0.3}, "c"),
        ("ssim", {"a": 0.2, "b": np.nan, "c": 0.1}, "a"),
        ("ssim", {"a": 0.3, "b": 0.3, "c": 0.1}, "ab"),
        ("ssim", {"a": 0.3, "b": 0.3}, ""),
        ("line_width", {"a": 1.0, "b": 2.0}, ""),
        ("sharpness", {"a": 0.5, "b": 1.4, "c": 0.0}, "b"),
    ],
)
def test_best_is_the_better_direction_of_one_region(metric: str, values: dict[str, float], expected: str):
    other = rows(metric, {name: 0.5 for name in values}, "visible")  # noqa: C420
    table = pd.concat([rows(metric, values), other], ignore_index=True)
    assert "".join(table["method"][best(table)]) == expected


def test_markdown_bolds_the_best_and_says_what_is_better():
    table = pd.concat(
        [
            rows("ciede2000", {"ours": 1.234, "a|b": 2.0}),
            rows("contour_f1", {"ours": np.nan, "a|b": 0.5}),
            rows("line_width", {"ours": 3.0, "a|b": 4.0}),
            rows("ciede2000", {"ours": 9.0, "a|b": 8.0}, "revealed"),
        ],
        ignore_index=True,
    )
    assert markdown(table) == (
        "### all\n\n"
        "| method | ΔE00 ↓ | contour F1 ↑ | width px |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| ours | **1.23** | – | 3.00 |\n"
        "| a\\|b | 2.00 | 0.500 | 4.00 |\n"
        "\n"
        "### revealed\n\n"
        "| method | ΔE00 ↓ |\n"
        "| --- | ---: |\n"
        "| ours | 9.00 |\n"
        "| a\\|b | **8.00** |\n"
    )
    assert markdown(table, only=["revealed"]).startswith("### revealed\n")
    assert "### all" not in markdown(table, only=["revealed"])
