"""Lines where surfaces touch, asked for in shot.yaml, through the real stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.read import read_exr
from osf_pipeline.exr.write import write_exr
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.sample.make import SampleRequest, make_sample
from osf_pipeline.store.version import current

pytestmark = pytest.mark.integration
SHOT = "figure"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two frames, arms crossed in the second, pressed flat: everything lies at one depth."""
    found = Layout.of(str(tmp_path))
    make_sample(found, SampleRequest(frames="1001-1024x18", width=96, height=96))

    def flat(name: str, plane: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(plane), np.float32(6), plane) if name.startswith("depth") else plane

    again(found, {"motion"}, flat)
    ingest_shot(found, SHOT)
    return found


def again(layout: Layout, without: set[str], change: Callable[[str, np.ndarray], np.ndarray]) -> None:
    """Write the frames once more, without some channels, the others changed."""
    for file in map(str, Path(layout.renders(SHOT)).glob("*.exr")):
        image = read_exr(file)
        kept = {
            name: change(name, plane) for name, plane in image.channels.items() if name.split(".")[0] not in without
        }
        write_exr(
            file, kept, data_window=image.window, display_window=image.header.display_window,
            attributes={"osf:renderer": "test"},
        )  # fmt: skip


def drawn(layout: Layout, intersections: bool) -> tuple[str, np.ndarray]:
    """The version of the guidance, and (y, x) where a contour's owner is."""
    path = Path(layout.renders(SHOT)) / "shot.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "intersections": intersections}))
    made = guide_shot(layout, SHOT)
    version = current(layout.store(SHOT, "guidance"))
    assert version is not None
    guides = version.read(1, 2, ("contour", "contour_side"))
    return made.id, (guides["contour"][0, 0] < 1) & (guides["contour_side"][0, 0] > 0)


def test_arms_in_the_body_are_outlined_on_request(layout: Layout) -> None:
    gbuffer = current(layout.store(SHOT, "gbuffer"))
    assert gbuffer is not None
    seen = gbuffer.read(1, 2, ("rest_position", "object_id"))
    rest, figure = seen["rest_position"][0].astype(np.float32), seen["object_id"][0, 0] > 0
    jump = np.linalg.norm(rest[:, :, 1:] - rest[:, :, :-1], axis=0)
    border = figure[:, 1:] & figure[:, :-1] & (jump > 0.25 * np.ptp(rest[1][figure]))
    assert border.sum() > 20
    without, bare = drawn(layout, False)
    asked, outlined = drawn(layout, True)
    assert (bare[:, 1:] | bare[:, :-1])[border].mean() < 0.2
    assert (outlined[:, 1:] | outlined[:, :-1])[border].all()
    assert asked != without
    assert drawn(layout, False)[0] == without


def test_without_geometry_they_are_refused_by_name(layout: Layout) -> None:
    again(layout, {"rest_position"}, lambda _, plane: plane)
    ingest_shot(layout, SHOT)
    with pytest.raises(InputDataError, match=r"intersections need geometry.*missing=rest_position"):
        drawn(layout, True)
