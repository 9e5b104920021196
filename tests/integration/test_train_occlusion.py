"""Training of the occlusion network from generated sets to the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from osf_pipeline.errors import RequestError
from osf_pipeline.generate.plan import GenerateRequest
from osf_pipeline.generate.stage import generate
from osf_pipeline.layout import Layout
from osf_pipeline.occlusion.estimators import Learned
from osf_pipeline.occlusion.names import MODEL
from osf_pipeline.occlusion.stage import ID_TAG, train_occlusion
from osf_pipeline.tracking.tracker import Tracker

pytestmark = pytest.mark.integration

RECIPE = {"steps": 4, "width": 4, "blocks": 1, "batch": 2, "patch": 32, "pairs": 1, "threads": 1}


def test_a_weak_network_stays_a_candidate(tmp_path: Path) -> None:
    layout = Layout.of(str(tmp_path))
    with pytest.raises(RequestError, match="no such generated set"):
        train_occlusion(layout, overrides=RECIPE)
    for split in ("train", "val"):
        request = {"split": split, "sequences": 1, "characters": 1, "frames": 2, "width": 64, "height": 64}
        generate(layout, GenerateRequest(motions=("turn",), **request))
    for _ in range(2):  # the second call finds the first one's version
        with pytest.raises(RequestError, match=r"promotion to 'champion' was refused: f1"):
            train_occlusion(layout, overrides=RECIPE)
    tracker = Tracker.at(layout.home)
    assert tracker.aliases(MODEL) == {"candidate": 1}
    ref = tracker.resolve(MODEL, "candidate")
    assert len(ref.tags[ID_TAG]) == 16
    assert (ref.path / "reliability.png").stat().st_size > 1000
    Learned(ref.path)
    with pytest.raises(RequestError, match="no such alias"):
        tracker.resolve(MODEL, "champion")
