"""What a network sees and draws in: scene-linear primaries of choice under the sRGB curve.

Belongs here: which spaces a style may name. Does not: the curve (`model.color`), the conversions (`spaces`).
"""

from __future__ import annotations

from osf_pipeline.colorspaces import ocio
from osf_pipeline.colorspaces.spaces import Space, named
from osf_pipeline.errors import RequestError

CURVE = "The network's curve is always the sRGB curve on straight colour; its space gives the primaries alone."


def network_space(name: str, config: str | None = None) -> Space:
    """The scene-linear space that `network_space` of style.yaml names.

    Args:
        name: a built-in space, or a space, alias or role of the configuration.
        config: an OpenColorIO configuration, as `ocio` of style.yaml names it.

    Raises:
        RequestError: for an unknown space, one that is not scene-linear, a configuration that cannot be read, or when
            OpenColorIO is needed and not installed.
    """
    try:
        space = named(name) if config is None or not ocio.decides(config, name) else ocio.scene_linear(config, name)
    except RequestError as error:
        raise RequestError(error.what, fix=f"{error.fix} {CURVE}", **error.where) from error
    if space is None or not space.linear:
        raise RequestError(
            "the network's space is not scene-linear", network_space=name, ocio=config,
            fix=f"Name one that is, such as linear-rec709 or acescg. {CURVE}",
        )  # fmt: skip
    return space
