"""A shot's occlusion by every mode, through the real stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from model.occlusion_net import OcclusionArchitecture, OcclusionCard, OcclusionNet, save
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.read import read_exr
from osf_pipeline.exr.write import write_exr
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.occlusion.names import MODEL
from osf_pipeline.replay import origin, pack, replay, unpack
from osf_pipeline.store.version import current
from osf_pipeline.tracking.tracker import Tracker

pytestmark = pytest.mark.integration
SHOT = "figure"


@pytest.fixture
def layout(root: Path) -> Layout:
    found = Layout.of(str(root))
    ask(found, frames="1001-1003")
    ingest_shot(found, SHOT)
    return found


def ask(layout: Layout, **keys: object) -> None:
    path = Path(layout.renders(SHOT)) / "shot.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **keys}))


def register(layout: Layout, seed: int) -> int:
    torch.manual_seed(seed)
    network = OcclusionNet(OcclusionArchitecture(4, 1)).eval()
    torch.nn.init.normal_(network.head.weight)
    folder = Path(layout.home) / f"made-{seed}"
    save(folder, network, OcclusionCard(network.architecture, 0.5, seed, {}, {}, {}))
    tracker = Tracker.at(layout.home)
    with tracker.run("osf-occlusion", "made", {}, {}) as run:
        version = tracker.register(MODEL, folder, run.id)
    tracker.set_alias(MODEL, version, "champion")
    return version


def read(layout: Layout, name: str) -> np.ndarray:
    version = current(layout.store(SHOT, "guidance"))
    assert version is not None
    return version.read(0, 3, [name])[name].astype(np.float32)


def test_the_network_is_part_of_what_guidance_is(layout: Layout, tmp_path: Path) -> None:
    exact = guide_shot(layout, SHOT)
    truth = read(layout, "revealed")
    ask(layout, occlusion={"mode": "full"})
    assert guide_shot(layout, SHOT).id == exact.id
    ask(layout, occlusion={"mode": "light"})
    with pytest.raises(RequestError, match="no such registered model"):
        guide_shot(layout, SHOT)
    register(layout, 0)
    light = guide_shot(layout, SHOT)
    assert light.id != exact.id
    assert not np.array_equal(read(layout, "revealed"), truth)
    assert not read(layout, "revealed")[0].any()
    assert {"guide": "revealed", "from": "estimated"} in light.metadata["sources"]
    assert guide_shot(layout, SHOT).reused
    # The bundle carries the network.
    pack(origin(layout, SHOT, "guidance"), 0, tmp_path / "bundle.zip")
    source, index = unpack(tmp_path / "bundle.zip", tmp_path / "elsewhere")
    assert all(shard.equal for shard in replay(source, [index]))
    register(layout, 1)
    assert guide_shot(layout, SHOT).id != light.id
    ask(layout, occlusion={"mode": "nonsense"})
    with pytest.raises(RequestError, match=r"unknown occlusion mode.*light"):
        guide_shot(layout, SHOT)


def test_maps_are_taken_as_they_are(layout: Layout, tmp_path: Path) -> None:
    folder = Path(layout.renders(SHOT)) / "maps"
    folder.mkdir()
    for frame in (1002, 1003):
        values = np.full((160, 160), 255, np.uint8)
        values[60:100] = 51
        Image.fromarray(values).save(folder / f"r.{frame}.png")
    ask(layout, occlusion={"mode": "maps", "revealed": "maps/r.####.png", "values": [255, 0]})
    first = guide_shot(layout, SHOT)
    revealed = read(layout, "revealed")
    assert not revealed[0].any()
    assert set(np.round(np.unique(revealed[1:]), 3)) == {0, np.float32(0.8)}
    assert not read(layout, "hidden_next").any()
    version = current(layout.store(SHOT, "guidance"))
    assert version is not None
    assert version.attributes["occlusion"] == {"mode": "maps", "maps": {"revealed": "maps/r.####.png"}}
    pack(origin(layout, SHOT, "guidance"), 0, tmp_path / "bundle.zip")
    source, index = unpack(tmp_path / "bundle.zip", tmp_path / "elsewhere")
    assert source.shard(index)[0]["maps"]["revealed"][1].startswith(str(tmp_path / "elsewhere"))
    assert all(shard.equal for shard in replay(source, [index]))
    Image.fromarray(np.zeros((160, 160), np.uint8)).save(folder / "r.1003.png")
    assert guide_shot(layout, SHOT).id != first.id
    (folder / "r.1002.png").unlink()
    with pytest.raises(InputDataError, match=r"no occlusion map.*1002"):
        guide_shot(layout, SHOT)


@pytest.mark.parametrize("lost", ["geometry", "motion"])
def test_exact_occlusion_needs_geometry_and_motion(root: Path, lost: str) -> None:
    layout = Layout.of(str(root))
    for file in map(str, Path(layout.renders(SHOT)).glob("*100[12].exr")):
        image = read_exr(file)
        kept = {name: plane for name, plane in image.channels.items() if not name.startswith("motion")}
        if lost == "geometry":
            kept = {name: kept[name] for name in "RGBA"}
        write_exr(
            file, kept, data_window=image.window, display_window=image.header.display_window,
            attributes={"osf:renderer": "test"},
        )  # fmt: skip
    ask(layout, frames="1001-1002", occlusion={"mode": "full"})
    ingest_shot(layout, SHOT)
    with pytest.raises(InputDataError, match="exact occlusion needs"):
        guide_shot(layout, SHOT)
