"""What methods have learnt, kept: the same style, method, budget and code is never learnt twice.

Belongs here: identity, storage and reuse of fits. Does not: learning (each method), measuring (`measure`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np
import safetensors
import safetensors.torch

from osf_pipeline.bench import code
from osf_pipeline.bench.method import Budget, Fit, Log, Method
from osf_pipeline.colorspaces.network import network_space
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.files import take, write_bytes
from osf_pipeline.store.identity import identity
from osf_pipeline.training.exemplar import ExemplarData, load_exemplars

KIND = "fit"
FILE = "fit.safetensors"
MEASURED = ("seconds",)
"""Facts that differ between two equal fits."""
AFTERWARDS = ("name", "meaning", "look")
"""Attributes of methods that learning does not depend on."""


@dataclass(frozen=True)
class Style:
    """A style to be learnt.

    Attributes:
        digest: of all that its exemplars hold.
    """

    name: str
    exemplars: tuple[ExemplarData, ...]
    digest: str

    @classmethod
    def read(cls, layout: Layout, name: str) -> Style:
        """
        Raises:
            RequestError, InputDataError: as `load_exemplars`.
        """
        config = layout.style_config(name)
        space = network_space(config.network_space, config.ocio)
        return cls.of(name, tuple(load_exemplars(config, layout.style(name), space)))

    @classmethod
    def of(cls, name: str, exemplars: tuple[ExemplarData, ...]) -> Style:
        return cls(name, exemplars, _digest(exemplars))


@dataclass(frozen=True)
class KeptFit:
    """A fit, and what tells it from others.

    Attributes:
        digest: of what decides how it draws: fits of different seeds are equal where nothing is learnt.
        seconds: wall time of learning it, where and when that was done.
        reused: it was there.
    """

    fit: Fit
    digest: str
    seconds: float
    reused: bool


def settings(method: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """What tells a method from others; attributes may be passed over."""
    own = {key: value for key, value in vars(method).items() if key not in without}
    found = json.loads(json.dumps(own, default=str))
    return {"class": f"{type(method).__module__}:{type(method).__qualname__}", "settings": found}


def learn(folder: str, style: Style, method: Method, budget: Budget, log: Log | None = None) -> KeptFit:
    """The fit of a style; learnt now unless it is in the folder."""
    static = code.digest([*code.FIT, code.of_object(method)])
    recipe = {"method": settings(method, AFTERWARDS), "budget": asdict(budget)}
    key = identity(KIND, 1, {"style": style.digest}, recipe, [static])
    url = join(folder, key, FILE)
    try:
        return _kept(take(url), reused=True)
    except FileNotFoundError:
        began = time.monotonic()
        fit = method.fit(style.exemplars, budget, log)
        note = {"facts": dict(fit.facts), "seconds": round(time.monotonic() - began, 1)}
        data = safetensors.torch.save({k: v.contiguous() for k, v in fit.tensors.items()}, {"fit": json.dumps(note)})
        write_bytes(url, data)
        return _kept(data, reused=False)


def _kept(data: bytes, *, reused: bool) -> KeptFit:
    """Read back even what was learnt just now, so that a first run and a second draw from the same."""
    size = int.from_bytes(data[:8], "little")
    note = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["fit"])
    tensors = safetensors.torch.load(data)
    decisive = {k: v for k, v in note["facts"].items() if k not in MEASURED}
    found = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    return KeptFit(Fit(tensors, note["facts"]), found.hexdigest()[:16], note["seconds"], reused)


def _digest(exemplars: Sequence[ExemplarData]) -> str:
    found = hashlib.sha256()

    def add(name: str, value: Any) -> None:
        if isinstance(value, np.ndarray):
            found.update(f"{name} {value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif isinstance(value, Mapping):
            for key in sorted(value):
                add(f"{name}.{key}", value[key])
        elif is_dataclass(value) and not isinstance(value, type):
            add(name, vars(value))
        else:
            found.update(f"{name} {value!r}".encode())

    for number, exemplar in enumerate(exemplars):
        add(str(number), exemplar)
    return found.hexdigest()[:16]
