"""`scene.yaml`: who moves how, seen from where, in which light; what `osf render` makes a shot of.

Belongs here: the keys of that file and their meaning. Does not: geometry (`render`), motion (`motion`), what a shot is
once it is rendered (`config.ShotConfig`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import radians, tan
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from osf_pipeline.config import Camera, Step, Strict, Vec3, dump_yaml, load_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.layout import Layout
from osf_pipeline.store.files import write_bytes

SPACE, STAGE_HEIGHT = 1.6, 2.4
"""Scene units between actors that are lined up, and of the picture they are shown in; a character is 1.8 long."""


class Actor(Strict):
    """One character on the stage.

    Attributes:
        character: name under the layout's characters; also its object name, so `styles` of the shot find it.
        motion: a built-in motion (`walk`, `wave`, `jump`, `cross_arms`, `turn`), or a file under the layout's motions.
        first: seconds into the motion at the shot's first frame.
        speed: of playing; 2 is twice as fast.
        position, turn, scale: as in `render.scene.Placement`.
        style: name of the style; the character's own when absent.
        steps: frames a pose is held for, counted from the shot's first frame; or those of bones by name, each with all
            that hangs on it (`motion.stepping`). The scene's where it says nothing.
    """

    character: str
    motion: str = "walk"
    first: float = Field(0, ge=0)
    speed: float = Field(1, gt=0)
    position: Vec3 = (0, 0, 0)
    turn: float = 0
    scale: float = Field(1, gt=0)
    style: str | None = None
    steps: Step | dict[str, Step] | None = None


class Prop(Strict):
    """A stiff thing, with or without movement; it passes through unstylized.

    Attributes:
        size: scene units of its box, x, y, z.
        color: display colour, `#rrggbb`.
        path: places of its centre, spread evenly over the shot; straight between them.
        spin: degrees about its z axis from the first frame to the last.
        steps: frames a place is held for; the scene's when absent.
    """

    name: str
    shape: Literal["ball", "box", "pole"] = "ball"
    size: Vec3 = (0.3, 0.3, 0.3)
    color: str = Field("#8a8a8a", pattern=r"^#[0-9a-fA-F]{6}$")
    path: tuple[Vec3, ...] = Field(((0, 0, 0),), min_length=1)
    spin: float = 0
    steps: Step | None = None


class CameraMove(Strict):
    """A camera by its aim: it looks from `position` to `target`, straight between the keys that are given.

    Attributes:
        projection, scale, fov: as in `config.Camera`; one value, or several spread evenly over the shot.
        position, target: world places, spread evenly over the shot.
    """

    projection: Literal["ortho", "persp"] = "ortho"
    scale: tuple[float, ...] = Field((2.4,), min_length=1)
    fov: tuple[float, ...] = Field((35.0,), min_length=1)
    position: tuple[Vec3, ...] = Field(((0, 0.9, 5),), min_length=1)
    target: tuple[Vec3, ...] = Field(((0, 0.9, 0),), min_length=1)


class Sun(Strict):
    """One soft directional light, with or without the shadows it throws.

    Attributes:
        towards: direction from the scene to the light; any length but 0.
        ambient, shade: as in `render.scene.Light`.
        shadows: surfaces hide it from each other; written as the buffer `shadow` either way.
    """

    towards: Vec3 = (-0.48, 0.64, 0.6)
    ambient: float = Field(0.42, ge=0, le=1)
    shade: Vec3 = (0.82, 0.86, 1.0)
    shadows: bool = True

    @field_validator("towards")
    @classmethod
    def _somewhere(cls, towards: Vec3) -> Vec3:
        if not any(towards):
            raise ValueError("`towards` needs a direction, not 0, 0, 0")
        return towards


class SceneConfig(Strict):
    """`scene.yaml`.

    Attributes:
        frames: studio range to render.
        fps: frames a second; motions are resampled to it.
        width, height: pixels.
        camera: by its aim, one pose for the whole shot, or one per frame number.
        light: absent for flat, unlit colour.
        ground: show a plane at y = 0.
        steps: frames a pose is held for, of actors and props that say nothing themselves; the camera stays on ones.
        supersample: odd number of samples a pixel and axis behind the filtered colour.
        renderer: `raycast`, or the name of a registered renderer (`blender`).
    """

    actors: tuple[Actor, ...] = Field(min_length=1)
    props: tuple[Prop, ...] = ()
    frames: str = "1001-1048"
    fps: float = Field(24, gt=0)
    width: int = Field(512, ge=16)
    height: int = Field(512, ge=16)
    camera: CameraMove | Camera | dict[int, Camera] = CameraMove()
    light: Sun | None = None
    ground: bool = False
    steps: Step = 1
    supersample: int = Field(3, ge=1)
    renderer: str = "raycast"

    @field_validator("supersample")
    @classmethod
    def _odd(cls, supersample: int) -> int:
        if supersample % 2 == 0:
            raise ValueError("`supersample` must be odd, so that a sample lies at the pixel centre")
        return supersample


def read_scene(layout: Layout, shot: str) -> SceneConfig:
    """The scene of a shot.

    Raises:
        RequestError: when it has none, or the file is bad.
    """
    if shot not in layout.scenes():
        known = ", ".join(layout.scenes()) or "none"
        raise RequestError("no such scene", shot=shot, file=layout.scene(shot), fix=f"Scenes found: {known}.")
    return load_yaml(layout.scene(shot), SceneConfig)


def scenes_of(layout: Layout, character: str) -> list[str]:
    """Shots in whose scene a character plays.

    Raises:
        RequestError: for a bad scene file.
    """
    return [
        shot for shot in layout.scenes() if character in {actor.character for actor in read_scene(layout, shot).actors}
    ]


def write_scene(layout: Layout, shot: str, config: SceneConfig, *, force: bool = False) -> None:
    """Write the scene of a shot.

    Raises:
        RequestError: when the shot has another scene already, unless forced.
    """
    if not force and shot in layout.scenes() and read_scene(layout, shot) != config:
        raise RequestError(
            "the shot has another scene already", shot=shot, file=layout.scene(shot),
            fix="Render it as it is, name the shot differently, or overwrite it with --force.",
        )  # fmt: skip
    write_bytes(layout.scene(shot), dump_yaml(config).encode())


def line_up(
    characters: Sequence[str],
    motions: Sequence[str],
    *,
    projection: Literal["ortho", "persp"] = "ortho",
    lit: bool = False,
    **settings: Any,
) -> SceneConfig:
    """Actors side by side, before a still camera that shows them all.

    Args:
        motions: one for all, or one for each.
        lit: a sun with shadows instead of flat colour.
        settings: other keys of `SceneConfig`.

    Raises:
        RequestError: for another number of motions, or a setting that `SceneConfig` refuses.
    """
    if len(motions) not in (1, len(characters)):
        raise RequestError(
            "motions and characters do not pair up", characters=len(characters), motions=len(motions),
            fix="Give one motion for all, or one for each.",
        )  # fmt: skip
    each = list(motions) * len(characters) if len(motions) == 1 else motions
    apart = SPACE * (np.arange(len(characters)) - (len(characters) - 1) / 2)
    actors = tuple(
        Actor(character=name, motion=motion, position=(float(x), 0, 0))
        for name, motion, x in zip(characters, each, apart, strict=True)
    )
    stage = SceneConfig(actors=actors, light=Sun() if lit else None, **settings)
    across = max(STAGE_HEIGHT * stage.width / stage.height, SPACE * len(characters) + 0.6)
    fov = CameraMove().fov[0]
    away = 20.0 if projection == "ortho" else across / 2 / tan(radians(fov / 2))
    camera = CameraMove(
        projection=projection, scale=(across,), fov=(fov,),
        position=((0, STAGE_HEIGHT / 2 - 0.2, away),), target=((0, STAGE_HEIGHT / 2 - 0.2, 0),),
    )  # fmt: skip
    return stage.model_copy(update={"camera": camera})
