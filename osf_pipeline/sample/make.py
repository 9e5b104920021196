"""Make the sample: renders, drawing and truth.

Belongs here: the request, the scene put together, the files. Does not: shapes, movement, paint
or line (their own modules).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import fsspec
import numpy as np
from PIL import Image
from pydantic import Field

from osf_pipeline.color import over, straight_srgb
from osf_pipeline.config import Camera, Exemplar, ShotConfig, Strict, StyleConfig, dump_yaml
from osf_pipeline.execution import Progress
from osf_pipeline.exr.write import write_exr
from osf_pipeline.layout import Layout, join
from osf_pipeline.render.frame import Frame, render_frame
from osf_pipeline.render.raycast import Posed
from osf_pipeline.render.scene import Light, Mesh, Scene
from osf_pipeline.render.sequence import RENDERER, each_frame, frame_name, neighbours, write_frame, write_shot
from osf_pipeline.render.shapes import ball
from osf_pipeline.sample.contours import centre_line, contour_distance, far_side, find_contours
from osf_pipeline.sample.figure import PARTS, Body, build_body
from osf_pipeline.sample.hand import REFERENCE_WIDTH, SAMPLE_HAND, Hand, draw_line
from osf_pipeline.sample.motion import REST, dance
from osf_pipeline.sample.paint import BLUE, BallPaint, Painting
from osf_pipeline.shots import FrameRange

SUN = Light((-0.48, 0.64, 0.6), ambient=0.42, shade=(0.82, 0.86, 1.0))
"""The light of `lighting: lit`: from the upper left and the front, with a cool shade."""

PROP_PART = len(PARTS) + 1

PALM = 0.14
"""Scene units from a wrist to the palm that touches the other figure's."""


class SampleRequest(Strict):
    """What to make.

    Attributes:
        shot, style: names under the layout's renders and styles.
        frames: studio frame range; the dance is stretched over it.
        width, height: pixels. The pen scales with the width.
        prop: a ball crosses in front of the figure.
        two_figures: a second figure mirrors the first, and their hands touch.
        camera_move: the camera drifts, turns about the figure and comes closer.
        lighting: `flat` is unlit colour; `lit` adds soft directional shading.
        seed: of every random field.
        threads: frames in flight; does not change the result.
    """

    shot: str = "figure"
    style: str = "figure"
    frames: str = "1001-1048"
    width: int = Field(384, ge=16)
    height: int = Field(384, ge=16)
    prop: bool = False
    two_figures: bool = False
    camera_move: bool = False
    lighting: Literal["flat", "lit"] = "flat"
    seed: int = Field(0, ge=0)
    threads: int = Field(2, ge=1)


@dataclass(frozen=True)
class SampleResult:
    """Where the sample lies, and how many frames it has."""

    renders: str
    style: str
    truth: str
    frames: int


def make_sample(layout: Layout, request: SampleRequest, progress: Progress | None = None) -> SampleResult:
    """Write a whole sample: EXR renders with `shot.yaml`, the drawing with `style.yaml`, and the styled truth.

    Truth files hold, per frame: `R G B A` styled beauty, `line.*` and `fill.*` layers (half, premultiplied
    scene-linear, beauty = line over fill), `contour.distance` and `occlusion.distance` (float pixels, truncated at
    `buffers.CONTOUR_RANGE`; occlusion leaves out silhouettes against the background), `contour.far` (half 0/1: behind
    the nearest contour), `centre.X` and `centre.Y` (half pixels, right and down, to the nearest point on the middle of
    the drawn stroke) with its `centre.width` (half pixels) there, `revealed.Y` and `hidden_next.Y` (half 0/1: the same
    surface point cannot be seen in the previous or next frame).

    Raises:
        RequestError: for a bad frame range or name.
    """
    frames = FrameRange.parse(request.frames)
    renders, style, truth = layout.renders(request.shot), layout.style(request.style), layout.truth(request.shot)
    shot = shot_config(request, frames)
    size = request.width, request.height

    write_drawing(style, request)
    scene = sample_scene(request, frames)

    def work(step: tuple[int | None, int, int | None]) -> None:
        before, now, after = step
        frame = render_frame(scene, now, size, previous=before, following=after)
        name = frame_name(shot.source, now)
        write_frame(join(renders, name), frame)
        attributes = {"osf:frame": now, "osf:renderer": RENDERER}
        write_exr(join(truth, name), styled_truth(frame, request.seed), attributes=attributes)

    each_frame(work, neighbours(frames), request.threads, progress, "drawn")
    write_shot(renders, shot)
    return SampleResult(renders, style, truth, len(frames))


def shot_config(request: SampleRequest, frames: FrameRange) -> ShotConfig:
    """The sample's `shot.yaml`."""
    scene = sample_scene(request, frames)
    return ShotConfig(
        source=f"{request.shot}.####.exr",
        adapter="osf",
        styles={"*": request.style},
        objects=dict(scene.objects),
        parts=dict(scene.parts),
        camera={frame: scene.camera(frame) for frame in frames}
        if request.camera_move
        else scene.camera(frames.frames[0]),
    )


@dataclass(frozen=True)
class Dancer:
    """Pose of one figure by frame.

    Attributes:
        times: frame to time 0..1.
        place: world position of the figure's origin.
        mirror: dance the mirrored way.
        meet: world point the inner wrist reaches for.
    """

    body: Body
    times: dict[int, float]
    place: tuple[float, float, float] = (0, 0, 0)
    mirror: bool = False
    meet: tuple[float, float, float] | None = None

    def __call__(self, frame: int) -> np.ndarray:
        flip = np.array([-1.0 if self.mirror else 1.0, 1, 1])
        meet = None if self.meet is None else (np.array(self.meet) - self.place) * flip
        pose = dance(self.times[frame], meet)
        rotation, joint = pose.rotation, pose.joint
        if self.mirror:
            # A mirrored pose: swap the sides, reflect every transform in x.
            sides = [PARTS.index(_other_side(name)) for name in PARTS]
            rotation = rotation[sides] * np.outer(flip, flip)
            joint = joint[sides] * flip
        return self.body.posed(rotation, joint) + self.place


def _other_side(name: str) -> str:
    for here, there in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(here):
            return there + name.removeprefix(here)
    return name


@dataclass(frozen=True)
class Toss:
    """Pose of the prop by frame: it flies past in front of the figure, spinning."""

    rest: np.ndarray
    times: dict[int, float]

    def __call__(self, frame: int) -> np.ndarray:
        t = self.times[frame]
        spin = 5 * t
        turn = np.array([[np.cos(spin), np.sin(spin), 0], [-np.sin(spin), np.cos(spin), 0], [0, 0, 1]])
        return self.rest @ turn.T + (-1.5 + 3.0 * t, -0.62 + 1.5 * t * (1 - t) * 2, 0.75)


@dataclass(frozen=True)
class Rig:
    """Camera by frame.

    Attributes:
        scale: world units across the picture.
    """

    times: dict[int, float]
    scale: float
    move: bool

    def __call__(self, frame: int) -> Camera:
        t = self.times[frame] if self.move else 0.0
        turn = 0.30 * np.sin(2 * np.pi * t)
        back = np.array([np.sin(turn), 0, np.cos(turn)])
        right = np.array([np.cos(turn), 0, -np.sin(turn)])
        position = 4 * back + (0.10 * t if self.move else 0) * right + np.array([0, 0.06 * t, 0])
        return Camera(
            scale=float(self.scale * (1 - 0.12 * t)), right=tuple(right.tolist()), up=(0, 1, 0),
            back=tuple(back.tolist()), position=tuple(position.tolist()),
        )  # fmt: skip


def sample_scene(request: SampleRequest, frames: FrameRange) -> Scene:
    """The scene of the shot."""
    times = {frame: i / max(len(frames) - 1, 1) for i, frame in enumerate(frames)}
    body = build_body()
    first = Dancer(body, times)
    objects, parts = {1: "figure"}, dict(enumerate(PARTS, start=1))
    meshes = [_figure(body, first, Painting(seed=request.seed), 1)]
    if request.two_figures:
        pair = (
            Dancer(body, times, (-0.77, 0, 0), False, (-PALM, 0.1, 0.16)),
            Dancer(body, times, (0.77, 0, 0), True, (PALM, 0.1, 0.16)),
        )
        meshes = [
            _figure(body, pair[0], Painting(seed=request.seed), 1),
            _figure(body, pair[1], Painting(BLUE, request.seed + 100), 2),
        ]
        objects[2] = "friend"
    if request.prop:
        rest, faces = ball(0.17)
        part = np.full(len(faces), PROP_PART, np.uint16)
        meshes.append(Mesh(rest, faces, part, 3, Toss(rest, times), BallPaint(request.seed)))
        objects[3], parts[PROP_PART] = "ball", "ball"
    return Scene(
        tuple(meshes),
        Rig(times, _scale(request), request.camera_move),
        SUN if request.lighting == "lit" else None,
        objects,
        parts,
    )


def keyframe_scene(request: SampleRequest) -> Scene:
    """The figure alone in the rest pose, seen from the front at the scale of the shot's first frame."""
    body = build_body()
    still = body.posed(REST.rotation, REST.joint)
    return Scene(
        (_figure(body, lambda _: still, Painting(seed=request.seed), 1),),
        Rig({0: 0.0}, _scale(request), False),
        SUN if request.lighting == "lit" else None,
        {1: "figure"},
        dict(enumerate(PARTS, start=1)),
    )


def _figure(body: Body, pose: Callable[[int], np.ndarray], color: Painting, number: int) -> Mesh:
    return Mesh(body.rest, body.faces, body.part, number, pose, color)


def _scale(request: SampleRequest) -> float:
    """World units across the picture: the figure fits in height, and two stand side by side."""
    high = 2.2 * request.width / request.height
    return max(high, 3.3 if request.two_figures else 1.9)


def styled_truth(
    frame: Frame, seed: int, hands: Mapping[int, Hand] | None = None, scale: float | None = None
) -> dict[str, np.ndarray]:
    """EXR channels of the styled truth of one frame; see `make_sample`.

    Args:
        hands: object id to the hand that draws its line; the sample's own draws every object by default.
        scale: of the pen, as in `hand.draw_line`; by the picture's width by default.
    """
    _, height, width = frame.buffers["color"].shape
    contours = find_contours(frame)
    if hands is None:
        hands = dict.fromkeys(map(int, np.unique(contours.object)), SAMPLE_HAND)
    scale = width / REFERENCE_WIDTH if scale is None else scale
    drawn = draw_line(contours, frame.hits.supersample, (width, height), scale, seed, hands)
    line = drawn.layer.astype(np.float16)
    fill = frame.buffers["color"]
    beauty = over(line, fill).astype(np.float16)
    layers = {"": beauty, "line.": line, "fill.": fill}
    out = {
        prefix + name: plane for prefix, planes in layers.items() for name, plane in zip("RGBA", planes, strict=True)
    }
    out["contour.distance"] = contour_distance(frame, contours, contours.owner)
    out["occlusion.distance"] = contour_distance(frame, contours, contours.occluding)
    out["contour.far"] = far_side(frame, contours).astype(np.float16)
    (out["centre.X"], out["centre.Y"]), out["centre.width"] = centre_line(frame, contours, drawn.breadth)
    out["revealed.Y"] = hidden_in(frame, frame.previous)
    out["hidden_next.Y"] = hidden_in(frame, frame.following)
    return out


def hidden_in(frame: Frame, other: Posed | None) -> np.ndarray:
    """(y, x) float16: 1 where this frame's surface point cannot be seen in the other frame; 0 without one."""
    centre = frame.hits.centres
    if other is None:
        return centre.scatter(np.zeros(len(centre.face), np.float16))
    return centre.scatter((~other.sees(centre.interpolate(other.scene.faces, other.vertices))).astype(np.float16))


def write_drawing(folder: str, request: SampleRequest) -> None:
    """Write `keyframe.exr`, `drawing.png` (sRGB, straight alpha) and `style.yaml`."""
    frame = render_frame(keyframe_scene(request), 0, (request.width, request.height))
    write_frame(join(folder, "keyframe.exr"), frame)
    truth = styled_truth(frame, request.seed)
    png = io.BytesIO()
    Image.fromarray(straight_srgb(np.stack([truth[name] for name in "RGBA"])), "RGBA").save(png, "PNG")
    config = StyleConfig(
        exemplars=(Exemplar(keyframe="keyframe.exr", drawing="drawing.png", adapter="osf"),), license="CC0-1.0"
    )
    for name, data in (("drawing.png", png.getvalue()), ("style.yaml", dump_yaml(config).encode())):
        fs, path = fsspec.core.url_to_fs(join(folder, name))
        fs.pipe_file(path, data)
