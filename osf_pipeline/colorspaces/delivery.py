"""The way out: from the scene-linear colour of a store to the space of a delivery.

Belongs here: the conversion and what a file must say of it. Does not: writing files (`osf_pipeline.delivery`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from osf_pipeline.colorspaces import ocio
from osf_pipeline.colorspaces.spaces import Space, convert, named


@dataclass(frozen=True)
class DeliveryColor:
    """How layers leave.

    Attributes:
        convert: premultiplied RGBA `(..., 4, y, x)` of the store to the delivery's; the array itself where nothing
            changes, float32 otherwise.
        attributes: EXR header attributes: `chromaticities` (8 floats) of a linear space, `colorInteropID` where one is
            registered, `osf:color_space`.
        fingerprint: what decides the converted pixels; belongs into the record of a delivery.
    """

    convert: Callable[[np.ndarray], np.ndarray]
    attributes: dict[str, Any]
    fingerprint: str


def delivery_color(store: Space, wanted: str | None = None, config: str | None = None) -> DeliveryColor:
    """From a store's space to the wanted one; the store's own when none is.

    Args:
        wanted: a space, alias or role of the configuration, or a built-in name.
        config: an OpenColorIO configuration, as `ocio` of shot.yaml names it.

    Raises:
        RequestError: for an unknown space or configuration, or when OpenColorIO is needed and not installed.
    """
    if wanted is None:
        return _described(lambda color: color, store, store.name)
    if config is None or not ocio.decides(config, wanted):
        target = named(wanted)
        return _described(lambda color: convert(color, store, target), target, target.name)
    way, linear = ocio.out_of_store(config, store, wanted)
    if linear is not None and linear.same(store):
        return _described(lambda color: color, store, wanted)
    interop_id = ocio.interop_id(config, wanted)
    attributes: dict[str, Any] = {"osf:color_space": wanted}
    if interop_id:
        attributes["colorInteropID"] = interop_id
    if linear is not None:
        attributes["chromaticities"] = linear.chromaticities
    return DeliveryColor(way, attributes, f"{store.attributes} {way.fingerprint}")


def _described(change: Callable[[np.ndarray], np.ndarray], target: Space, name: str) -> DeliveryColor:
    attributes: dict[str, Any] = {"chromaticities": target.chromaticities, "osf:color_space": name}
    if target.interop_id:
        attributes["colorInteropID"] = target.interop_id
    return DeliveryColor(change, attributes, name)
