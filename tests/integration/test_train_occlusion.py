"""Training of the occlusion network from generated sets to the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.weights import read_card
from osf_pipeline.errors import RequestError
from osf_pipeline.generate.plan import GenerateRequest
from osf_pipeline.generate.stage import generate
from osf_pipeline.layout import Layout
from osf_pipeline.occlusion import examples, stage
from osf_pipeline.occlusion.estimators import Learned
from osf_pipeline.occlusion.names import MODEL
from osf_pipeline.occlusion.stage import ID_TAG, train_occlusion
from osf_pipeline.tracking.tracker import Tracker

pytestmark = pytest.mark.integration

RECIPE = {"steps": 4, "width": 4, "blocks": 1, "batch": 2, "patch": 32, "pairs": 1, "threads": 1}


def test_a_weak_network_stays_a_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout.of(str(tmp_path))
    with pytest.raises(RequestError, match="no such generated set"):
        train_occlusion(layout, overrides=RECIPE)
    for split, seed in (("train", 0), ("val", 0), ("val", 1)):
        request = {
            "split": split,
            "seed": seed,
            "sequences": 1,
            "characters": 1,
            "frames": 2,
            "width": 64,
            "height": 64,
        }
        generate(layout, GenerateRequest(motions=("turn",), **request))
    for _ in range(2):  # the second call finds the first one's version
        with pytest.raises(RequestError, match=r"promotion to 'champion' was refused: f1"):
            train_occlusion(layout, overrides=RECIPE)
    tracker = Tracker.at(layout.home)
    assert tracker.aliases(MODEL) == {"candidate": 1}
    ref = tracker.resolve(MODEL, "candidate")
    assert len(ref.tags[ID_TAG]) == 16
    assert (ref.path / "reliability.png").stat().st_size > 1000
    card = read_card(ref.path)
    assert card["data"]["sets"] == {"train-0": 1, "val-0": 1, "val-1": 1}
    assert card["data"]["calibrated_on"] == ["val-0"]
    assert card["data"]["judged_on"] == ["val-1"]
    assert {"f1", "f1_median", "f1_gain", "ece"} <= card["metrics"].keys()
    Learned(ref.path)
    with pytest.raises(RequestError, match="no such alias"):
        tracker.resolve(MODEL, "champion")

    # Other flow is another training.
    monkeypatch.setattr(examples, "FLOW_VERSION", examples.FLOW_VERSION + 1)
    monkeypatch.setattr(stage, "_train", lambda *_: pytest.fail("trained again"))
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        train_occlusion(layout, overrides=RECIPE)
