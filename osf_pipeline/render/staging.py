"""From `scene.yaml`, characters and motions to a scene that renderers take, and to the shot it makes.

Belongs here: who stands where under which ids and names, props, ground, camera moves. Does not: finding characters and
motions (`stage`), casting (`raycast`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from osf_pipeline.character.character import Character
from osf_pipeline.color import decode_srgb
from osf_pipeline.config import Camera, ShotConfig, Vec3
from osf_pipeline.errors import RequestError
from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.retarget import retarget
from osf_pipeline.motion.stepping import held, stepped
from osf_pipeline.render.scene import Light, Mesh, Placement, Plain, Rigid, Scene, Skinned, SurfaceColor, Texture
from osf_pipeline.render.shapes import Shape, ball, box, ground, pole
from osf_pipeline.scenes import CameraMove, Prop, SceneConfig, Sun
from osf_pipeline.shots import FrameRange

GROUND = "ground"
GROUND_REACH = 50.0
"""Scene units from the origin to the edge of the ground."""
GROUND_COLOR = "#d9d2c3"


def build_scene(config: SceneConfig, characters: Mapping[str, Character], motions: Mapping[str, Clip]) -> Scene:
    """The scene of a shot.

    Objects are numbered in the order of the file: actors, props, ground. Characters of one build share part ids and
    names, which are those of their own keyframes; one of another build has a block of ids behind them. Each prop and
    the ground are one part.

    Args:
        characters, motions: all that the actors name.

    Raises:
        RequestError: for a bad frame range, two things of one name, a camera that lacks frames, or a motion that cannot
            be played as asked.
    """
    frames = FrameRange.parse(config.frames)
    names = object_names(config)
    blocks, parts = _part_blocks(config, characters)
    skins: dict[str, SurfaceColor] = {name: Texture(character.texture) for name, character in characters.items()}
    meshes = []
    for number, actor in enumerate(config.actors, start=1):
        character = characters[actor.character]
        first, last = frames.frames[0], frames.frames[-1]
        performance = retarget(
            motions[actor.motion], character,
            fps=config.fps, first=actor.first, speed=actor.speed, count=last - first + 1,
        )  # fmt: skip
        performance = stepped(performance, character, actor.steps or {}, config.steps)
        place = Placement(actor.position, actor.turn, actor.scale)
        pose = Skinned(character, performance, {frame: frame - first for frame in frames}, place)
        part = (character.part + blocks[actor.character]).astype(np.uint16)
        meshes.append(Mesh(character.rest, character.faces, part, number, pose, skins[actor.character], character.uv))
    for prop in config.props:
        meshes.append(_prop(prop, prop.steps or config.steps, frames, len(meshes) + 1, len(parts) + 1))
        parts[len(parts) + 1] = prop.name
    if config.ground:
        rest, faces = ground(GROUND_REACH)
        part = np.full(len(faces), len(parts) + 1, np.uint16)
        meshes.append(Mesh(rest, faces, part, len(meshes) + 1, lambda _: rest, Plain(_linear(GROUND_COLOR))))
        parts[len(parts) + 1] = GROUND
    cameras = dict(zip(frames, _cameras(config, frames), strict=True))
    return Scene(
        tuple(meshes),
        cameras.__getitem__,
        _light(config.light),
        dict(enumerate(names, start=1)),
        parts,
        frames,
    )


def shot_config(config: SceneConfig, shot: str, scene: Scene) -> ShotConfig:
    """`shot.yaml` of a rendered scene: actors are stylized, everything else passes through."""
    frames = scene.frames or FrameRange.parse(config.frames)
    cameras = {frame: scene.camera(frame) for frame in frames}
    still = all(camera == cameras[frames.frames[0]] for camera in cameras.values())
    return ShotConfig(
        source=f"{shot}.####.exr",
        frames=str(frames),
        fps=config.fps,
        styles={
            name: actor.style or actor.character
            for name, actor in zip(object_names(config), config.actors, strict=False)
        },
        objects=dict(scene.objects),
        parts=dict(scene.parts),
        camera=cameras[frames.frames[0]] if still else cameras,
    )


def object_names(config: SceneConfig) -> list[str]:
    """Names of actors, props and ground in the order of their ids; actors of one character are told apart by a number.

    Raises:
        RequestError: when two things would have one name.
    """
    seen: Counter[str] = Counter()
    names = []
    for actor in config.actors:
        seen[actor.character] += 1
        names.append(actor.character if seen[actor.character] == 1 else f"{actor.character}-{seen[actor.character]}")
    names += [*(prop.name for prop in config.props), *([GROUND] if config.ground else [])]
    (name, count), *_ = Counter(names).most_common(1)
    if count > 1:
        raise RequestError("two things of a scene have one name", name=name, fix="Give the prop another `name`.")
    return names


def _part_blocks(config: SceneConfig, characters: Mapping[str, Character]) -> tuple[dict[str, int], dict[int, str]]:
    """What is added to each character's part ids, and the names of all of them."""
    blocks: dict[str, int] = {}
    parts: dict[int, str] = {}
    for actor in config.actors:
        if actor.character not in blocks:
            own = characters[actor.character].parts
            alike = all(parts.get(number, name) == name for number, name in own.items())
            blocks[actor.character] = 0 if alike else max(parts)
            parts |= {blocks[actor.character] + number: name for number, name in own.items()}
    return blocks, parts


def _prop(prop: Prop, step: int, frames: FrameRange, object_id: int, part: int) -> Mesh:
    rest, faces = _shape(prop)
    times = _times(frames, step)
    turn = {frame: _about_z(prop.spin * time) for frame, time in zip(frames, times, strict=True)}
    place = dict(zip(frames, _spread(prop.path, times), strict=True))
    return Mesh(
        rest, faces, np.full(len(faces), part, np.uint16), object_id, Rigid(rest, turn, place),
        Plain(_linear(prop.color)),
    )  # fmt: skip


def _shape(prop: Prop) -> Shape:
    if prop.shape == "ball":
        rest, faces = ball(0.5)
        return rest * prop.size, faces
    return box(prop.size) if prop.shape == "box" else pole(prop.size)


def _about_z(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _linear(color: str) -> Vec3:
    """Scene-linear values of `#rrggbb`."""
    r, g, b = decode_srgb(np.array(list(bytes.fromhex(color.removeprefix("#")))) / 255).tolist()
    return r, g, b


def _light(sun: Sun | None) -> Light | None:
    if sun is None:
        return None
    towards = np.array(sun.towards) / np.linalg.norm(sun.towards)
    return Light(_vec(towards), sun.ambient, sun.shade, "cast" if sun.shadows else "buffer")


def _cameras(config: SceneConfig, frames: FrameRange) -> Iterator[Camera]:
    """The camera of each frame.

    Raises:
        RequestError: when the scene names cameras by frame and lacks one.
    """
    camera = config.camera
    if isinstance(camera, Camera):
        yield from (camera for _ in frames)
    elif isinstance(camera, CameraMove):
        yield from _aimed(camera, frames)
    else:
        if missing := [frame for frame in frames if frame not in camera]:
            raise RequestError(
                "frames have no camera", frames=FrameRange.of(missing), fix="Give `camera` an entry for each frame."
            )
        yield from (camera[frame] for frame in frames)


def _aimed(move: CameraMove, frames: FrameRange) -> Iterator[Camera]:
    """Cameras that look from `position` to `target`, upright.

    Raises:
        RequestError: when the two meet.
    """
    times = _times(frames)
    scales = _spread([(s,) for s in move.scale], times)[:, 0]
    fovs = _spread([(f,) for f in move.fov], times)[:, 0]
    places, targets = _spread(move.position, times), _spread(move.target, times)
    for frame, scale, fov, place, target in zip(frames, scales, fovs, places, targets, strict=True):
        back = place - target
        if not back.any():
            raise RequestError("the camera stands where it looks", frame=frame, fix="Move `position` or `target`.")
        back /= np.linalg.norm(back)
        right = np.cross((0, 1, 0), back)
        if np.linalg.norm(right) < 1e-6:  # straight up or down: the picture's upper edge is towards -z or +z
            right = np.array([1.0, 0, 0])
        right /= np.linalg.norm(right)
        yield Camera(
            projection=move.projection,
            scale=float(scale) if move.projection == "ortho" else None,
            fov=float(fov) if move.projection == "persp" else None,
            right=_vec(right),
            up=_vec(np.cross(back, right)),
            back=_vec(back),
            position=_vec(place),
        )


def _times(frames: FrameRange, step: int = 1) -> np.ndarray:
    """(T,) 0 at the first frame, 1 at the last, evenly in frame numbers; each held for `step` of them."""
    numbers = np.array(frames.frames) - frames.frames[0]
    return held(numbers, step) / max(numbers[-1], 1)


def _spread(keys: Sequence[tuple[float, ...]], times: np.ndarray) -> np.ndarray:
    """(T, C): the keys spread evenly over the shot, straight between them, at times of `_times`."""
    values = np.array(keys, np.float64)
    at = np.linspace(0, 1, len(values))
    return np.stack([np.interp(times, at, column) for column in values.T], axis=1)


def _vec(values: np.ndarray) -> Vec3:
    x, y, z = values.tolist()
    return x, y, z
