"""Strict, frozen descriptions as users write them in `shot.yaml`, `style.yaml` and `character.yaml`.

Belongs here: the keys of those files and their meaning. Does not: recipes of a stage (each stage owns its own), paths
(`layout`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import fsspec
import numpy as np
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from osf_pipeline.colorspaces.network import network_space
from osf_pipeline.colorspaces.spaces import named
from osf_pipeline.errors import RequestError
from osf_pipeline.validate.catalogue import RULES

AUTO_SPACE = "auto"
OCIO_VARIABLE = "OCIO"
Vec3 = tuple[float, float, float]
Step = Annotated[int, Field(ge=1, le=24)]
"""Frames a pose or a drawing is held for: 1 is on ones, 2 on twos, 3 on threes."""
T = TypeVar("T", bound="Strict")


class Strict(BaseModel):
    """Frozen and refusing unknown keys: a typo fails when the file is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _from_environment(url: str) -> str:
    """The variable's value takes the place of `env`, so that workers elsewhere use the same."""
    if url == "env":
        url = os.environ.get(OCIO_VARIABLE, "")
        if not url:
            raise ValueError(f"`ocio: env` needs the variable {OCIO_VARIABLE}")
    if "://" not in url and not Path(url).is_absolute():
        raise ValueError("`ocio` needs an absolute path, a URL or a built-in name")
    return url


Configuration = Annotated[str, AfterValidator(_from_environment)]
"""An OpenColorIO configuration: a path, a URL, a built-in such as `ocio://default`, or `env` for the variable OCIO."""


def _check_space(name: str, info: ValidationInfo) -> None:
    """A built-in name is checked at once; one of an OpenColorIO configuration where that is opened."""
    if info.data.get("ocio") is None:
        named(name)


class Camera(Strict):
    """A pinhole or orthographic camera, one pose for the whole shot or one per frame.

    Attributes:
        projection: `ortho` or `persp`.
        scale: world units across the display width (ortho).
        fov: horizontal field of view in degrees (persp).
        right, up, back: camera axes in world space; `back` points from the scene to the camera.
        position: camera position in world space.
    """

    projection: Literal["ortho", "persp"] = "ortho"
    scale: float | None = Field(None, gt=0)
    fov: float | None = Field(None, gt=0, lt=180)
    right: Vec3 = (1, 0, 0)
    up: Vec3 = (0, 1, 0)
    back: Vec3 = (0, 0, 1)
    position: Vec3 = (0, 0, 0)

    @model_validator(mode="after")
    def _complete(self) -> Camera:
        if self.projection == "ortho" and self.scale is None:
            raise ValueError("an ortho camera needs `scale`, the world units across the display width")
        if self.projection == "persp" and self.fov is None:
            raise ValueError("a persp camera needs `fov`, the horizontal field of view in degrees")
        axes = self.rotation
        if not np.allclose(axes @ axes.T, np.eye(3), atol=1e-3):
            raise ValueError("right, up and back must be unit length and perpendicular to each other")
        return self

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) float64; rows right, up, back: `camera = rotation @ (world - position)`."""
        return np.array([self.right, self.up, self.back], np.float64)


class Source(Strict):
    """How to read a set of renders; shared by shots and exemplars.

    Attributes:
        adapter: `auto`, or the name of a registered source adapter (`blender`, `aov`, `osf`).
        channels: overrides, canonical buffer to the source's full channel names in order.
        scale: overrides, canonical buffer to a factor per channel, e.g. `motion: [-1, 1]` or `depth: [0.01]`.
        normal_space: `camera`, `world`, or `auto` (the adapter's own).
        rest_box: two corners, when stored rest positions are normalised to 0..1 per axis:
            scene = min + stored * (max - min).
        camera: needed for world-space normals; one camera, or one per frame number.
        alpha: `premultiplied` or `straight`.
        ocio: an OpenColorIO configuration.
        color_space: of `color`: `auto` (what the header declares, else `linear-rec709`), a built-in name
            (`colorspaces.spaces.SPACES`), or a space, alias or role of `ocio`.
        accept: rules on values whose errors pass as warnings, because somebody has looked (`docs/validation.md`).
    """

    adapter: str = "auto"
    channels: dict[str, tuple[str, ...]] = {}
    scale: dict[str, tuple[float, ...]] = {}
    normal_space: Literal["auto", "camera", "world"] = "auto"
    rest_box: tuple[Vec3, Vec3] | None = None
    camera: Camera | dict[int, Camera] | None = None
    alpha: Literal["premultiplied", "straight"] = "premultiplied"
    ocio: Configuration | None = None
    color_space: str = AUTO_SPACE
    accept: tuple[str, ...] = ()

    @field_validator("accept")
    @classmethod
    def _judgements(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [name for name, rule in RULES.items() if rule.judges]
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"{unknown[0]!r} cannot be accepted; these rules can: {', '.join(known)}")
        return names

    @field_validator("color_space")
    @classmethod
    def _known_space(cls, name: str, info: ValidationInfo) -> str:
        if name != AUTO_SPACE:
            _check_space(name, info)
        return name

    @field_validator("rest_box")
    @classmethod
    def _ordered(cls, box: tuple[Vec3, Vec3] | None) -> tuple[Vec3, Vec3] | None:
        if box is not None and any(hi <= lo for lo, hi in zip(*box, strict=True)):
            raise ValueError("rest_box needs min < max on every axis")
        return box

    def camera_at(self, frame: int) -> Camera | None:
        """The camera of one frame, or None when none is given."""
        return self.camera.get(frame) if isinstance(self.camera, dict) else self.camera


class Delivery(Strict):
    """What a delivered EXR holds, under which names.

    Attributes:
        names: `standard` writes `R G B A` and `fill.*`, `line.*`, `confidence.Y`; `source` writes the beauty under the
            source's colour channels and the layers beside it: `ViewLayer.Combined.R`, `ViewLayer.line.R`.
        pass_through: patterns of source channels to copy bit for bit, e.g. `ViewLayer.Crypto*` or `*`. Views are left
            out of the names; a channel that has the name of a delivered layer is not copied.
        color_space: of the layers, named as a source's is; the render's own scene-linear space when absent.
    """

    names: Literal["standard", "source"] = "standard"
    pass_through: tuple[str, ...] = ()
    color_space: str | None = None


class Occlusion(Strict):
    """Where a shot's `revealed` and `hidden_next` come from.

    Attributes:
        mode: `full`, exact from rest positions and ids; `flow`, consistency of the flow in both directions; `light`, a
            small network on two frames and estimated flow; `maps`, the files below; or another registered estimator.
            `auto` is `full` where the store has all it needs, else as much of it as there is: rest positions and ids
            along estimated flow, or the consistency of the motion, estimated where the renderer gave none.
        model: registry alias or version of the network, for `light` and estimators that have one.
        revealed, hidden_next: file patterns as in `source`, EXR or PNG: what the previous frame hides, what the next
            one does. Without the second, nothing is said about the next frame.
        channel: of those files; needed where they have several.
        values: stored values that mean surely visible and surely hidden: `[0, 255]`, or `[1, 0]` for an inverted map.
    """

    mode: str = "auto"
    model: str | int = "champion"
    revealed: str | None = None
    hidden_next: str | None = None
    channel: str | None = None
    values: tuple[float, float] = (0, 1)

    @model_validator(mode="after")
    def _consistent(self) -> Occlusion:
        if (self.mode == "maps") != (self.revealed is not None):
            raise ValueError("`mode: maps` and `revealed`, the pattern of its files, need each other")
        if self.mode != "maps" and (self.hidden_next, self.channel, self.values) != (None, None, (0, 1)):
            raise ValueError("`hidden_next`, `channel` and `values` describe files: they need `mode: maps`")
        if self.values[0] == self.values[1]:
            raise ValueError("`values` needs two different numbers: surely visible, surely hidden")
        return self


class ShotConfig(Source):
    """`shot.yaml`.

    Attributes:
        source: file pattern beside shot.yaml (or absolute, or a URL): `name.####.exr`, `name.%04d.exr`, `*.exr`.
        frames: studio range to take, e.g. `1001-1048`; all found frames when absent.
        fps: frames a second of the delivered video.
        view: of a multi-view source.
        cuts: first frames after a cut; nothing temporal crosses one.
        styles: object name or id to style name; `*` is every other object. Unlisted objects pass through.
        looks: object name or id, style name, or `*`, to a preset or to the keys of one (`stylize.look`); the first of
            these that is there counts.
        blend: frames before a frame that its line is blended with, along rendered motion (`stylize.blend`); 0 is off.
        steps: frames a drawing is held for: 2 is on twos; or those of objects by name or id, `*` is every other object
            (`stylize.hold`). Poses of characters rendered here are better held in their scene.
        objects: object id to name, for sources without a manifest.
        parts: part id to name.
        on_fault: what a bad or missing frame does: `fail` refuses the shot, `quarantine` leaves the frame out and lists
            it, `hold` shows the nearest good frame before it.
        occlusion: where it is told what the neighbouring frames hide.
        intersections: also draw a line where surfaces touch or run into each other, as an arm pressed into the body;
            otherwise there is a line only where one lies in depth before the other (`model.contours`).
        reference: optional pattern of reference frames to evaluate against (`.png` sRGB straight alpha, or EXR truth).
        delivery: names and further channels of the delivered EXR.
    """

    source: str = "*.exr"
    frames: str | None = None
    fps: float = Field(24, gt=0)
    view: str | None = None
    cuts: tuple[int, ...] = ()
    styles: dict[str, str] = {}
    looks: dict[str, str | dict[str, Any]] = {}
    blend: int = Field(0, ge=0, le=2)
    steps: Step | dict[str, Step] = 1
    objects: dict[int, str] = {}
    parts: dict[int, str] = {}
    on_fault: Literal["fail", "quarantine", "hold"] = "fail"
    occlusion: Occlusion = Occlusion()
    intersections: bool = False
    reference: str | None = None
    delivery: Delivery = Delivery()

    @field_validator("delivery")
    @classmethod
    def _known_delivery(cls, delivery: Delivery, info: ValidationInfo) -> Delivery:
        if delivery.color_space is not None:
            _check_space(delivery.color_space, info)
        return delivery

    def style_of(self, object_id: int) -> str | None:
        """The style of one object id, or None when it passes through."""
        name = self.objects.get(object_id, str(object_id))
        return self.styles.get(name) or self.styles.get(str(object_id)) or self.styles.get("*")


class Exemplar(Source):
    """One drawn keyframe.

    Attributes:
        keyframe: EXR file beside style.yaml (or absolute, or a URL) with the G-buffer the drawing was made on; or
            `<shot>@<frame>`, a frame of a shot of the project, read as its shot.yaml says.
        view: of a multi-view file.
        drawing: PNG, sRGB, straight alpha, registered pixel for pixel to the keyframe's display window.
        mask: optional PNG; white where the drawing is to be learnt. What is black is neither learnt nor measured.
        strip: optional `strip.json`, `strip.png` beside it: the outline the drawing was made with, straightened,
            in pixels of the original drawing (`drawing.strip`). Read and checked, not learnt from yet.
    """

    keyframe: str
    view: str | None = None
    drawing: str
    mask: str | None = None
    strip: str | None = None

    @property
    def shot_frame(self) -> tuple[str, int] | None:
        """Shot and frame number, where the keyframe is one of a shot's."""
        named = re.fullmatch(r"([^/@]+)@(-?\d+)", self.keyframe)
        return (named[1], int(named[2])) if named else None

    @model_validator(mode="after")
    def _read_one_way(self) -> Exemplar:
        said = self.model_fields_set & {*Source.model_fields, "view"}
        if self.shot_frame and said:
            raise ValueError(f"a shot's frame is read as its shot.yaml says: leave out {', '.join(sorted(said))}")
        return self


class StyleConfig(Strict):
    """`style.yaml`: the drawings a style is learnt from, and how the line is meant.

    Attributes:
        ocio: an OpenColorIO configuration, for `network_space`; exemplars name their own.
        network_space: scene-linear space whose primaries the network sees and draws in: a built-in one, or a space,
            alias or role of `ocio`.
    """

    exemplars: tuple[Exemplar, ...] = Field(min_length=1)
    license: str = "unstated"
    recipe: dict[str, Any] = {}
    ocio: Configuration | None = None
    network_space: str = "linear-rec709"

    @field_validator("network_space")
    @classmethod
    def _scene_linear(cls, name: str, info: ValidationInfo) -> str:
        """A built-in name is checked at once; one of an OpenColorIO configuration where that is opened."""
        if info.data.get("ocio") is None:
            network_space(name)
        return name


class CharacterConfig(Strict):
    """`character.yaml` beside a drawing; every key may be left out, and so may the file.

    Attributes:
        drawing: file name of the picture; else `drawing.*` or `texture.png`.
        mask: file name of a picture that is white where the figure is; else `mask.png` where there is one, else the
            drawing's own alpha, else the figure is found on its paper.
        joints: file name of the joints; else `char_cfg.yaml` where there is one, else joints are estimated.
        keyframe: pixels of the figure's longer side on the keyframe its style is learnt from; best as large as the
            figure stands in the shots (384 is its size in a scene of 512x512 with the default camera).
        license: of the drawing; it travels with what is learnt from it.
    """

    drawing: str | None = None
    mask: str | None = None
    joints: str | None = None
    keyframe: int = Field(384, ge=64, le=4096)
    license: str = "unstated"


def load_yaml(url: str, model: type[T]) -> T:
    """Read a strict YAML file.

    Raises:
        RequestError: when the file is missing, is no YAML, or has an unknown or ill-typed key; names file and key.
    """
    fs, path = fsspec.core.url_to_fs(url)
    try:
        data = yaml.safe_load(fs.cat_file(path)) or {}
    except FileNotFoundError as error:
        raise RequestError("no such file", file=url, fix="Check the path and the root.") from error
    except yaml.YAMLError as error:
        raise RequestError(
            "no valid YAML", file=url, problem=str(error).replace("\n", " "), fix="Mend the line it names."
        ) from error
    return checked(data, model, url)


def checked(data: Any, model: type[T], url: str | None = None) -> T:
    """
    Raises:
        RequestError: for an unknown or ill-typed key; names it, and the file it is from.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RequestError(
            first["msg"], file=url, key=key, value=repr(first.get("input"))[:80],
            fix=f"Known keys: {', '.join(sorted(model.model_fields))}.",
        ) from error  # fmt: skip


def dump_yaml(model: Strict) -> str:
    """The keys that differ from their defaults, as YAML that `load_yaml` reads back."""
    return yaml.safe_dump(model.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
