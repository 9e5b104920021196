"""`scene.yaml`: who moves how, seen from where, in which light; what `osf render` makes a shot of.

Belongs here: the keys of that file and their meaning. Does not: geometry (`render`), motion (`motion`), what a shot is
once it is rendered (`config.ShotConfig`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from osf_pipeline.config import Camera, Strict, Vec3, load_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.layout import Layout


class Actor(Strict):
    """One character on the stage.

    Attributes:
        character: name under the layout's characters; also its object name, so `styles` of the shot find it.
        motion: a built-in motion (`walk`, `wave`, `jump`, `cross_arms`, `turn`), or a file under the layout's motions.
        first: seconds into the motion at the shot's first frame.
        speed: of playing; 2 is twice as fast.
        position, turn, scale: as in `render.scene.Placement`.
        style: name of the style; the character's own when absent.
    """

    character: str
    motion: str = "walk"
    first: float = Field(0, ge=0)
    speed: float = Field(1, gt=0)
    position: Vec3 = (0, 0, 0)
    turn: float = 0
    scale: float = Field(1, gt=0)
    style: str | None = None


class Prop(Strict):
    """A stiff thing, with or without movement; it passes through unstylized.

    Attributes:
        size: scene units of its box, x, y, z.
        color: display colour, `#rrggbb`.
        path: places of its centre, spread evenly over the shot; straight between them.
        spin: degrees about its z axis from the first frame to the last.
    """

    name: str
    shape: Literal["ball", "box", "pole"] = "ball"
    size: Vec3 = (0.3, 0.3, 0.3)
    color: str = Field("#8a8a8a", pattern=r"^#[0-9a-fA-F]{6}$")
    path: tuple[Vec3, ...] = Field(((0, 0, 0),), min_length=1)
    spin: float = 0


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
