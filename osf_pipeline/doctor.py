"""Checks of the machine the pipeline runs on. No repairs, no network."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fsspec

from osf_pipeline.layout import Layout, join, local_path

NEEDED_DISK_GB = 2.0
NEEDED_MEMORY_GB = 4.0
IMPORTS = {
    "torch": "torch", "ray": "ray", "mlflow": "mlflow", "dagster": "dagster", "zarr": "zarr", "zarrs": "zarrs",
    "OpenEXR": "OpenEXR", "embreex": "embreex", "scikit-image": "skimage", "av": "av", "pandera": "pandera",
}  # fmt: skip
OFFLINE = ("DAGSTER_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY")


@dataclass(frozen=True)
class Check:
    """One finding about the machine; `fix` says what to do when it is not ok."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def examine(layout: Layout) -> list[Check]:
    """Every check, in the order a person would fix them."""
    return [*_python(), *_packages(), *_weights(), *_video(), *_blender(), *_machine(layout), *_writable(layout)]


def _python() -> Iterator[Check]:
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check("python", ok, sys.version.split()[0], "Use Python 3.11, 3.12 or 3.13.")


def _packages() -> Iterator[Check]:
    for distribution, module in IMPORTS.items():
        yield _attempt(
            distribution,
            partial(_import, module, distribution),
            f"Install it again: pip install -c constraints.txt -e . (missing: {distribution}).",
        )
    try:
        found = version("torchvision")
    except PackageNotFoundError:
        return
    yield Check("torchvision", False, found, "pip uninstall torchvision: it replaces the pinned torch and is not used.")


def _import(module: str, distribution: str) -> str:
    importlib.import_module(module)
    return version(distribution)


def _weights() -> Iterator[Check]:
    def load() -> str:
        from osf_pipeline.packaged import stlpips_state

        return f"{len(stlpips_state('alex'))} tensors, checksum right"

    yield _attempt("weights", load, "pip install --force-reinstall --no-deps stlpips-pytorch==0.0.2")


def _video() -> Iterator[Check]:
    def find() -> str:
        import av

        return str(av.codec.Codec("libx264", "w").long_name)

    yield _attempt("video", find, "Reinstall PyAV from its wheel: pip install --force-reinstall av")


def _blender() -> Iterator[Check]:
    """Only somebody who names one needs one."""
    from osf_pipeline.render.blender import VARIABLE, find_blender

    if not os.environ.get(VARIABLE):
        yield Check("blender", True, f"not used; {VARIABLE} names one for scenes with `renderer: blender`")
        return
    yield _attempt("blender", lambda: find_blender().version, f"Set {VARIABLE} to Blender 4.2 to 5.0, or unset it.")


def _machine(layout: Layout) -> Iterator[Check]:
    from osf_pipeline.hardware import cpu_count, memory_gb

    memory = memory_gb()
    yield Check("cpu", True, f"{cpu_count()} cores")
    yield Check(
        "memory", memory >= NEEDED_MEMORY_GB, f"{memory:.1f} GB", f"At least {NEEDED_MEMORY_GB:.0f} GB is needed."
    )
    for name, place in (("disk root", local_path(layout.root)), ("disk home", Path(layout.home))):
        if place is None:
            continue
        existing = next(p for p in (place, *place.parents) if p.exists())
        free = shutil.disk_usage(existing).free / 1e9
        yield Check(
            name, free >= NEEDED_DISK_GB, f"{free:.1f} GB free at {place}", "Free some space or choose another place."
        )
    yield Check("accelerator", True, _accelerator())
    talkative = [name for name in OFFLINE if not os.environ.get(name)]
    yield Check(
        "telemetry", True, "off" if not talkative else f"off inside osf; for bare tools set {', '.join(talkative)}"
    )


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none, CPU is used"


def _writable(layout: Layout) -> Iterator[Check]:
    def touch() -> str:
        fs, path = fsspec.core.url_to_fs(join(layout.root, f".doctor-{uuid.uuid4().hex}"))
        fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        fs.pipe_file(path, b"ok")
        fs.rm_file(path)
        return layout.root

    yield _attempt("root", touch, "Choose a root you can write to, with --root or OSF_ROOT.")


def _attempt(name: str, action: Callable[[], str], fix: str) -> Check:
    """A doctor reports whatever goes wrong; nothing is hidden, the message is the finding."""
    try:
        return Check(name, True, action())
    except Exception as error:
        return Check(name, False, f"{type(error).__name__}: {error}".splitlines()[0], fix)
