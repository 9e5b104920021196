import json

import numpy as np
import pandas as pd

from osf_pipeline.bench.catalogue import chosen
from osf_pipeline.bench.cost import Cost
from osf_pipeline.bench.report import FIRST, figures, markdown, pairs, table
from osf_pipeline.bench.statistics import summarize

METHODS = chosen(["ours", "raw render", "texture lookup"])
COST = Cost(17.0, 800_000, 256, 0.2, 0.3, 40.0)


def results(comparison="equal steps", group="test-0"):
    values = {
        "ours": {"st_lpips": 0.02, "contour_f1": 0.9, "flicker": 0.01, "warp_ratio": 0.9},
        "raw render": {"st_lpips": 0.05, "contour_f1": 0.0, "flicker": 0.0, "warp_ratio": 0.6},
        "texture lookup": {"st_lpips": 0.03, "contour_f1": 0.95, "contour_precision": np.nan, "warp_ratio": 1.05},
    }
    rows = [
        {
            "comparison": comparison, "set": group, "sequence": f"s{i}", "character": f"c{i}", "method": method,
            "seed": 0, "region": region, "metric": metric, "value": value * (1 + 0.1 * i), "frames": 4, "pixels": 9,
        }
        for method, metrics in values.items()
        for metric, value in metrics.items()
        for region in (FIRST, "part head")
        for i in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def cells(text, method):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {method} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_table_shows_centres_intervals_and_what_is_best():
    text = table(summarize(results()), FIRST)
    assert text.splitlines()[0].count("|") == 2 + 4
    ours, lookup = cells(text, "ours"), cells(text, "texture lookup")
    assert ours[1] == "**0.0220** [0.0200, 0.0240]"
    assert ours[2].startswith("0.990 ")
    assert lookup[2].startswith("**1.045**")
    # A ratio is best near 1, not at its largest; where no direction is better nothing is bold.
    assert ours[4].startswith("**0.99**")
    assert "**" not in cells(text, "raw render")[3]
    assert lookup[3] == "–"


def test_a_difference_is_bold_where_its_interval_leaves_0_out():
    text = table(summarize(results()), FIRST, "difference_")
    assert not [line for line in text.splitlines() if line.startswith("| ours ")]
    assert cells(text, "raw render")[1].startswith("**0.0330** [")
    even = results()
    even.loc[even["method"] == "raw render", "value"] = even.loc[even["method"] == "ours", "value"].to_numpy()
    assert cells(table(summarize(even), FIRST, "difference_"), "raw render")[1] == "0.0000 [0.0000, 0.0000]"


def test_paired_differences_say_what_is_better_beyond_the_interval():
    measured = results()
    two_stage = results()[lambda table: table["method"] == "ours"].assign(method="two-stage")
    two_stage["value"] += 0.5
    summary = summarize(pd.concat([measured, two_stage, two_stage.assign(method="single run")]))
    text = pairs(summary, (FIRST, "part head"))
    found = {tuple(line.strip("| ").split(" | ")[:2]): cells(line, line.split()[1]) for line in text.splitlines()[2:]}
    rivals = ["raw", "texture", "two-stage", "single"]
    assert [method.split()[0] for method, region in found if region == FIRST] == rivals
    assert [method for method, region in found if region == "part head"] == ["texture lookup", "two-stage"]
    head = [cell.strip() for cell in text.splitlines()[0].strip("|").split("|")]
    row = dict(zip(head, found["two-stage", FIRST], strict=True))
    assert row["ST-LPIPS ↓"] == "**-0.5000** [-0.5000, -0.5000]"
    assert row["contour F1 ↑"] == "*-0.500* [-0.500, -0.500]"
    assert row["flicker"] == "-0.5000 [-0.5000, -0.5000]"  # no direction by itself
    assert row["SSIM ↑"] == "–"  # not measured
    lookup = dict(zip(head, found["texture lookup", FIRST], strict=True))
    # Ours is .01, .011 and .012 lower: the ends of the interval are in order.
    assert lookup["ST-LPIPS ↓"] == "**-0.0110** [-0.0120, -0.0100]"


def test_equal_methods_are_neither_better_nor_worse():
    even = results()[lambda table: table["method"] == "ours"]
    text = pairs(summarize(pd.concat([even, even.assign(method="two-stage")])), (FIRST,))
    assert cells(text, "two-stage")[2] == "+0.0000 [+0.0000, +0.0000]"


def test_the_report_tells_sets_comparisons_parts_and_costs():
    summary = summarize(pd.concat([results(), results("equal time"), results(group="mine")]))
    paid, took = {m.name: COST for m in METHODS}, {m.name: 12.0 for m in METHODS}
    text = markdown(summary, METHODS, paid, took, title="Title", claims=True)
    for heading in (
        "## Equal steps: test-0",
        "## Equal time: test-0",
        "## Equal steps: mine",
        "### by part: ST-LPIPS",
        "### Paired",
    ):
        assert heading in text
    assert "no claims" not in text
    assert "Median over 3 sequences of 3 characters, 1 seeds" in text
    assert "| ours | 17.0 | 800,000 | 0.200 | 0.300 | 40 | 12 |" in text
    assert "makes no claims" in markdown(summary, METHODS, {}, {}, title="Title", claims=False)


def test_ours_alone_makes_a_report_too():
    alone = results()[lambda table: table["method"] == "ours"]
    text = markdown(summarize(alone), METHODS[:1], {}, {}, title="Title", claims=True)
    assert cells(text.split("### ")[1], "ours")[1].startswith("0.0220")
    assert "Paired" not in text


def test_the_figures_are_medians_and_costs_as_plain_json():
    measured = results()
    measured.loc[(measured["method"] == "ours") & (measured["metric"] == "flicker"), "value"] = np.inf
    found = figures(summarize(measured), {"ours": COST}, {"ours": 12.0})
    assert "flicker" not in found["ours"][FIRST]
    assert found["ours"][FIRST]["st_lpips"] == 0.022
    assert "contour_precision" not in found["texture lookup"][FIRST]
    assert found["ours"]["cost"]["gmac"] == 17.0
    assert found["ours"]["cost"]["learning_seconds"] == 12.0
    assert json.loads(json.dumps(found)) == found
