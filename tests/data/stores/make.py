"""Tiny stores of every kind: what the code of today writes, and what each released schema wrote.

    python tests/data/stores/make.py --update     the templates, after a change that readers need not know
    python tests/data/stores/make.py --release    a root `schema-<n>/` for a new SCHEMA_VERSION, and the templates

Templates are text: a change of Zarr metadata or of the published record shows in a diff. Released roots are never made
again, for they stand for stores that exist.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from osf_pipeline.config import ShotConfig, dump_yaml
from osf_pipeline.exr.write import write_exr
from osf_pipeline.layout import Layout
from osf_pipeline.store.schema import SCHEMA_VERSION
from osf_pipeline.store.version import Version, current

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "templates"
VALUES = "values.json"
"""In a released root: checksums of everything it holds, decoded."""
SHOTS = {"full": ("gbuffer", "guidance", "stylized"), "estimated": ("gbuffer",)}
WIDTH, HEIGHT, FRAMES = 32, 24, (1001, 1002, 1003)
CENTRE, RADIUS, VELOCITY = (14, 13), 8, (2, -1)


def channels(frame: int) -> dict[str, np.ndarray]:
    """A disc of two parts that moves by `VELOCITY` a frame, exact in every buffer."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    step = frame - FRAMES[0]
    u, v = x - CENTRE[0] - step * VELOCITY[0], y - CENTRE[1] - step * VELOCITY[1]
    seen = u**2 + v**2 < RADIUS**2

    def on(value: Any, background: float = 0) -> np.ndarray:
        return np.where(seen, value, background).astype(np.float32)

    stripes = 0.5 + 0.4 * np.sin(u / 3) * np.cos(v / 4)
    return {
        **{c: on(stripes * k).astype(np.float16) for c, k in (("R", 2.5), ("G", 1.0), ("B", 0.25))},
        "A": on(1).astype(np.float16),
        "depth.Z": on(5 - 0.01 * u, np.inf),
        "normal.X": on(0), "normal.Y": on(0), "normal.Z": on(1),
        "rest_position.X": on(u / 50), "rest_position.Y": on(-v / 50), "rest_position.Z": on(0.1),
        "motion.X": on(VELOCITY[0]), "motion.Y": on(VELOCITY[1]),
        "motion_next.X": on(VELOCITY[0]), "motion_next.Y": on(VELOCITY[1]),
        "part_id.I": (seen * np.where(u > 0, 2, 1)).astype(np.uint32),
        "object_id.I": seen.astype(np.uint32),
    }  # fmt: skip


def write_renders(layout: Layout, shot: str) -> None:
    folder = Path(layout.renders(shot))
    folder.mkdir(parents=True)
    for frame in FRAMES:
        found = channels(frame)
        if shot == "estimated":
            found = {name: found[name] for name in "RGBA"}
        write_exr(str(folder / f"{shot}.{frame}.exr"), found, attributes={"osf:renderer": "test"})
    (folder / "shot.yaml").write_text(dump_yaml(ShotConfig(styles={"*": "ink"}, objects={1: "disc"})))


@contextlib.contextmanager
def drawn_by_chance(folder: Path) -> Iterator[None]:
    """A network with random weights, kept in `folder`, in place of the registry's."""
    import torch

    from model.stylizer import Architecture, Stylizer
    from model.weights import Card, save
    from osf_pipeline.tracking.tracker import ModelRef, Tracker

    torch.manual_seed(0)
    network = Stylizer(Architecture(width=8, blocks=1))
    with torch.no_grad():
        torch.nn.init.normal_(network.head.weight, std=0.2)
        network(torch.rand(2, 10, 32, 32))
        network.head.bias.data[3] = 0.4

    box = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
    folder.mkdir(exist_ok=True)
    card = save(folder, network.eval(), Card(network.architecture, 2.0, 0.1, box, "CC0-1.0", 0, {}))

    class Registry:
        def resolve(self, model: str, _: str | int) -> ModelRef:
            return ModelRef(model, 1, folder, card.sha256, {})

    with mock.patch.object(Tracker, "at", return_value=Registry()):
        yield


def make_root(layout: Layout) -> None:
    """Renders and stores of all `SHOTS`; the weights lie in the layout's home."""
    from osf_pipeline.guidance.stage import guide_shot
    from osf_pipeline.ingest.stage import ingest_shot
    from osf_pipeline.stylize.stage import stylize_shot

    stages = {"gbuffer": ingest_shot, "guidance": guide_shot, "stylized": stylize_shot}
    with drawn_by_chance(Path(layout.home)), mock.patch.object(socket, "gethostname", return_value="host"):
        for shot, kinds in SHOTS.items():
            write_renders(layout, shot)
            for kind in kinds:
                stages[kind](layout, shot)


@dataclass(frozen=True)
class Place:
    """A store of a root."""

    shot: str
    kind: str

    def version(self, layout: Layout) -> Version:
        version = current(layout.store(self.shot, self.kind))
        assert version is not None
        return version

    @property
    def template(self) -> Path:
        return TEMPLATES / f"{self.kind}-{self.shot}.json"


PLACES = [Place(shot, kind) for shot, kinds in SHOTS.items() for kind in kinds]


def template(version: Version) -> dict[str, Any]:
    """All of a version that readers rely on: files, Zarr metadata, the names and types in record and attributes."""
    folder, data = Path(version.url), Path(version.data_url)
    metadata = {path.parent.name: json.loads(path.read_text()) for path in sorted(data.glob("*/zarr.json"))}
    group = json.loads((data / "zarr.json").read_text())
    record = version.record
    deep = ("attributes", "inputs", "provenance")
    return {
        "files": sorted(path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."),
        "group": {**group, "attributes": {"osf": _types(group["attributes"]["osf"])}},
        "schema": group["attributes"]["osf"]["schema"],
        "arrays": metadata,
        "record": _types(record) | {name: _types(record[name]) for name in deep},
    }


def _types(data: dict[str, Any]) -> dict[str, str]:
    return {name: type(value).__name__ for name, value in sorted(data.items())}


def checksums(version: Version) -> dict[str, Any]:
    """Id, frames, and of every array dtype, shape and sha256 of its values."""
    arrays = {}
    for name in ("frame", "status", *version.names):
        values = np.ascontiguousarray(version.array(name)[:])
        digest = hashlib.sha256(values.tobytes()).hexdigest()
        arrays[name] = {"dtype": str(values.dtype), "shape": list(values.shape), "sha256": digest}
    return {"id": version.id, "frames": list(version.frames), "arrays": arrays}


def text(data: Any) -> str:
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--update", action="store_true", help="write the templates")
    what.add_argument("--release", action="store_true", help="keep a root of the present schema, too")
    wanted = parser.parse_args()
    kept = HERE / f"schema-{SCHEMA_VERSION}"
    if wanted.release and kept.exists():
        parser.error(f"{kept.name} is released; raise SCHEMA_VERSION first")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        layout = Layout("root", "home")  # relative: no path of this machine is written down
        make_root(layout)
        TEMPLATES.mkdir(exist_ok=True)
        for place in PLACES:
            place.template.write_text(text(template(place.version(layout))))
        if wanted.release:
            values = {f"{p.shot}/{p.kind}": checksums(p.version(layout)) for p in PLACES}
            Path("root", VALUES).write_text(text(values))
            shutil.copytree("root", kept, ignore=shutil.ignore_patterns(".lock"))
    size = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file())
    print(f"{kept.name}: {size / 1e3:.0f} kB; templates: {', '.join(p.name for p in sorted(TEMPLATES.iterdir()))}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
