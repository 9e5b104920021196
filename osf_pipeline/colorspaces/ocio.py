"""Colour spaces of an OpenColorIO configuration.

Belongs here: everything that touches the library, which is an optional extra. Does not: which space a shot names
(`source`, `delivery`).

A configuration is named by a path, a URL or a built-in name such as `ocio://default`. Whatever it calls its spaces, a
store keeps scene-linear colour with known primaries, so that only the two ends of the pipeline need the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import fsspec
import numpy as np

from osf_pipeline.colorspaces.spaces import (
    ACES2065_1,
    SPACES,
    Chromaticities,
    Space,
    closest,
    convert,
    matrix,
    multiply,
    on_straight,
    to_xyz,
)
from osf_pipeline.errors import RequestError

SCENE_LINEAR, ACES_NAME = "scene_linear", "ACES2065-1"
"""A role of configurations, and a space that the library relates to any of them."""
AGREE = 2e-4
"""Largest difference of matrices that still are the same: configurations print them with some digits."""


@dataclass(frozen=True)
class Transform:
    """A conversion of premultiplied colour, `(..., 3 or 4, y, x)` to float32.

    Attributes:
        matrix: (3, 3) where the conversion is one; None where it bends.
        fingerprint: of the operations and their tables; equal ones give equal pixels.
    """

    processor: Any
    matrix: np.ndarray | None
    fingerprint: str

    def __call__(self, color: np.ndarray) -> np.ndarray:
        if self.matrix is not None:
            return multiply(color, self.matrix)
        return on_straight(color, lambda rgb: _apply(self.processor, rgb))


def decides(url: str, name: str) -> bool:
    """Whether a name is the configuration's to explain: all are, but for built-in names that it does not know."""
    return name not in SPACES or _open(url).getColorSpace(name) is not None


def into_store(url: str, name: str) -> tuple[Transform | None, Space]:
    """From a space of the configuration to a scene-linear one with known primaries.

    Returns:
        (None, the space itself) when it is scene-linear, else the way to the role `scene_linear` and that space.

    Raises:
        RequestError: for an unknown space, one that holds no colour, or a configuration that cannot convert it.
    """
    space = scene_linear(url, name)
    if space is not None:
        return None, space
    linear = scene_linear(url, SCENE_LINEAR)
    if linear is None:
        raise RequestError(
            "the role scene_linear is not scene-linear", ocio=url, fix="Give it a linear space in the configuration."
        )
    return _transform(url, _open(url).getProcessor, _space(url, name).getName(), SCENE_LINEAR), linear


def out_of_store(url: str, space: Space, name: str) -> tuple[Transform, Space | None]:
    """From a store's scene-linear space to one of the configuration, and what that is where it is scene-linear.

    Raises:
        RequestError: as `into_store`.
    """
    between = _library().Config.GetProcessorFromBuiltinColorSpace
    way = _transform(url, between, ACES_NAME, _open(url), _space(url, name).getName())
    if way.matrix is None:
        return _Chain(way.processor, None, way.fingerprint, space), None
    whole = way.matrix @ matrix(space.chromaticities, ACES2065_1.chromaticities)
    return Transform(way.processor, whole, way.fingerprint), scene_linear(url, name)


@lru_cache
def scene_linear(url: str, name: str) -> Space | None:
    """A space as primaries and white when it is scene-linear, None otherwise; a built-in space where it is one.

    Raises:
        RequestError: as `into_store`.
    """
    space = _space(url, name)
    between = _library().Config.GetProcessorToBuiltinColorSpace
    found = _transform(url, between, _open(url), space.getName(), ACES_NAME).matrix
    if found is None:
        return None
    for known in SPACES.values():
        if known.linear and np.allclose(matrix(known.chromaticities, ACES2065_1.chromaticities), found, atol=AGREE):
            return known
    xyz = to_xyz(ACES2065_1.chromaticities) @ np.column_stack([found, found.sum(1)])
    x, y = xyz[:2] / xyz.sum(0)
    chromaticities: Chromaticities = tuple(np.column_stack([x, y]).ravel().tolist())
    return Space(space.getName(), chromaticities, interop_id=str(space.getInteropID()))


def interop_id(url: str, name: str) -> str:
    """The Color Interop Forum id that the configuration gives a space; empty when it gives none."""
    return str(_space(url, name).getInteropID())


@dataclass(frozen=True)
class _Chain(Transform):
    """By the store's matrix to ACES, then by the processor."""

    space: Space

    def __call__(self, color: np.ndarray) -> np.ndarray:
        return super().__call__(convert(color, self.space, ACES2065_1))


def _library() -> Any:
    try:
        import PyOpenColorIO
    except ImportError as error:
        raise RequestError(
            "`ocio` needs the OpenColorIO library", problem=str(error), fix="Install `osf-pipeline[ocio]`."
        ) from error
    return PyOpenColorIO


@lru_cache
def _open(url: str) -> Any:
    library = _library()
    try:
        remote = "://" in url and not url.startswith("ocio://")
        path = fsspec.open_local(f"simplecache::{url}", simplecache={"same_names": True}) if remote else url
        config = library.Config.CreateFromFile(path)
        config.validate()
    except (library.Exception, library.ExceptionMissingFile, OSError) as error:
        builtin = [f"ocio://{name}" for name, *_ in library.BuiltinConfigRegistry().getBuiltinConfigs()]
        raise RequestError(
            "no readable OpenColorIO configuration", ocio=url, problem=str(error)[:200],
            fix=f"Give a path, a URL, or a built-in: ocio://default, {closest(url, builtin)}.",
        ) from error  # fmt: skip
    return config


def _space(url: str, name: str) -> Any:
    config = _open(url)
    space = config.getColorSpace(name)
    if space is None:
        raise RequestError(
            "unknown colour space", color_space=name, ocio=url, fix=f"Use one of {closest(name, _names(config))}."
        )
    if space.isData():
        raise RequestError("the space holds no colour", color_space=name, ocio=url, fix="Name the space of the colour.")
    return space


def _names(config: Any) -> Iterator[str]:
    for name in config.getColorSpaceNames():
        yield name
        yield from config.getColorSpace(name).getAliases()
    yield from config.getRoleNames()
    yield from SPACES


def _transform(url: str, get: Callable[..., Any], *between: Any) -> Transform:
    """
    Raises:
        RequestError: when the library finds no way between two spaces.
    """
    library = _library()
    try:
        processor = get(*between)
    except (library.Exception, library.ExceptionMissingFile) as error:
        raise RequestError(
            "the configuration has no such conversion", ocio=url, problem=str(error)[:200],
            fix="Mend it: the roles `aces_interchange` and `scene_linear`, and the files it names, must be there.",
        ) from error  # fmt: skip
    # The library's default swaps exact powers and logarithms for quick ones.
    exact = processor.getOptimizedCPUProcessor(library.OPTIMIZATION_LOSSLESS)
    return Transform(exact, _matrix_of(exact), str(processor.getCacheID()))


def _apply(processor: Any, rgb: np.ndarray) -> np.ndarray:
    pixels = np.ascontiguousarray(np.moveaxis(rgb, -3, -1), np.float32)
    processor.applyRGB(pixels)
    return np.moveaxis(pixels, -1, -3)


def _matrix_of(processor: Any) -> np.ndarray | None:
    """(3, 3) float64 when the processor is a matrix, told from its answers: it must keep sums and multiples."""
    probe = np.concatenate([np.eye(3), np.full((1, 3), 0.18), np.eye(3) * 20, -np.eye(3), np.zeros((1, 3))])
    answer = probe.astype(np.float32)
    processor.applyRGB(answer)
    found = answer[:3].T.astype(np.float64)
    return found if np.allclose(answer, probe @ found.T, rtol=1e-4, atol=1e-5) else None
