"""The sample holds what it promises: exact geometry and truth, a steady hand, files that read back."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image
from pydantic import ValidationError
from scipy import ndimage

from osf_pipeline.buffers import CONTOUR_RANGE
from osf_pipeline.color import over
from osf_pipeline.layout import Layout
from osf_pipeline.render.frame import Frame, render_frame
from osf_pipeline.render.raycast import Hits, Posed
from osf_pipeline.sample.contours import find_contours
from osf_pipeline.sample.figure import ORIGIN, PARTS, build_body, surface_distance, surface_nets
from osf_pipeline.sample.hand import SAMPLE_HAND
from osf_pipeline.sample.make import SampleRequest, keyframe_scene, make_sample, sample_scene, styled_truth
from osf_pipeline.sample.motion import dance
from osf_pipeline.sample.noise import field
from osf_pipeline.shots import FrameRange

SIZE = 128
RANGE = FrameRange.parse("1001-1048")
REQUEST = SampleRequest(width=SIZE, height=SIZE)
CROSSING = 1033  # the right hand is over the face, the left one over the torso


@lru_cache
def crossing() -> Frame:
    scene = sample_scene(REQUEST, RANGE)
    return render_frame(scene, CROSSING, (SIZE, SIZE), previous=CROSSING - 1, following=CROSSING + 1)


@lru_cache
def truth() -> dict[str, np.ndarray]:
    return styled_truth(crossing(), REQUEST.seed)


@lru_cache
def keyframe() -> Frame:
    return render_frame(keyframe_scene(REQUEST), 0, (SIZE, SIZE))


def layer(channels: dict[str, np.ndarray], prefix: str = "") -> np.ndarray:
    return np.stack([channels[prefix + name] for name in "RGBA"])


# --- the figure and its movement ---------------------------------------------------------------------------------


def test_the_body_is_one_closed_surface_of_many_parts() -> None:
    body = build_body()
    assert set(np.unique(body.part)) == set(range(1, len(PARTS) + 1))
    np.testing.assert_allclose(body.weights.sum(axis=1), 1)
    assert np.abs(surface_distance(body.rest)).max() < 1e-4
    edges = np.sort(body.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    a, b, c = (body.rest[body.faces[:, k]] for k in range(3))
    volume = np.einsum("ni,ni->", a, np.cross(b, c)) / 6
    assert 0.1 < volume < 0.6  # positive: the faces look outwards


def test_surface_nets_close_around_one_sample() -> None:
    inside = np.zeros((4, 4, 4), bool)
    inside[1, 2, 1] = True
    vertices, faces = surface_nets(inside)
    assert (len(vertices), len(faces)) == (8, 12)
    np.testing.assert_allclose(vertices.mean(axis=0), [1, 2, 1])
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    assert np.einsum("ni,ni->", a, np.cross(b, c)) / 6 == pytest.approx(1)


def test_limbs_keep_their_length_and_the_pose_is_rigid_per_part() -> None:
    for time in np.linspace(0, 1, 13):
        pose = dance(float(time))
        np.testing.assert_allclose(
            pose.rotation @ pose.rotation.transpose(0, 2, 1), np.tile(np.eye(3), (15, 1, 1)), atol=1e-9
        )
        for first in (3, 6, 9, 12):
            for k in (first, first + 1):
                bone = pose.joint[k + 1] - pose.joint[k]
                np.testing.assert_allclose(bone, pose.rotation[k] @ (ORIGIN[k + 1] - ORIGIN[k]), atol=1e-6)


def test_the_default_shot_moves_gently_and_crosses_torso_face_and_legs() -> None:
    scene = sample_scene(SampleRequest(), RANGE)
    vertices = np.stack([Posed(scene, frame, 384, 384).view.project(scene.posed(frame))[0] for frame in RANGE])
    assert np.linalg.norm(np.diff(vertices, axis=0), axis=2).max() <= 12.5
    seen: set[tuple[str, str]] = set()
    for frame in (1020, 1022, 1033, 1038):
        contours = find_contours(render_frame(scene, frame, (96, 96), supersample=3))
        for axis in (0, 1):
            for step in (1, -1):
                other = np.roll(contours.part, step, axis)
                pairs = np.stack([contours.part, other])[:, contours.occluding & (other != contours.part) & (other > 0)]
                seen |= {(PARTS[a - 1], PARTS[b - 1]) for a, b in np.unique(pairs, axis=1).T.tolist()}
    for pair in (
        ("right_forearm", "chest"),
        ("right_hand", "head"),
        ("left_hand", "hips"),
        ("right_shin", "left_shin"),
    ):
        assert pair in seen


# --- exact geometry ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("camera_move", [False, True])
def test_motion_reprojects_rest_positions(camera_move: bool) -> None:
    """The previous frame's surface under `p - motion` has this frame's rest position, wherever it is not hidden."""
    request = REQUEST.model_copy(update={"camera_move": camera_move, "prop": True})
    scene = sample_scene(request, RANGE)
    frame = render_frame(scene, CROSSING, (SIZE, SIZE), previous=CROSSING - 1, following=CROSSING + 1)
    for name, flag, other, sign in (
        ("motion", "revealed.Y", frame.previous, -1), ("motion_next", "hidden_next.Y", frame.following, 1),
    ):  # fmt: skip
        hidden = styled_truth(frame, 0)[flag] > 0
        use = (frame.buffers[f"{name}_valid"][0] == 1) & ~hidden
        y, x = np.nonzero(use)
        there = np.stack([x, y], axis=1) + sign * frame.buffers[name][:, use].T.astype(np.float64)
        assert other is not None
        rest = _rest_at(other, there)
        error = np.linalg.norm(rest - frame.buffers["rest_position"][:, use].T, axis=1)
        assert use.sum() > 2000
        assert np.quantile(error, 0.995) < 1e-4  # at grazing rims a float32 step slides along the surface
        assert np.abs(frame.buffers[name][:, use]).max() > 2


def _rest_at(posed: Posed, pixels: np.ndarray) -> np.ndarray:
    """(N, 3) rest positions under fractional pixels, through the renderer's rays; NaN off the figure."""
    origins, directions = posed.view.rays(pixels)
    found = posed._embree.run(origins.astype(np.float32), np.ascontiguousarray(directions, np.float32), output=True)
    hit = found["primID"] >= 0
    u, v = found["u"][hit].astype(float), found["v"][hit].astype(float)
    hits = Hits((1, len(pixels)), 1, np.flatnonzero(hit), found["primID"][hit], np.stack([1 - u - v, u, v], axis=1))
    return hits.scatter(hits.interpolate(posed.scene.faces, posed.scene.rest), np.nan)[:, 0].T


def test_revealed_truth_agrees_with_brute_force() -> None:
    """Every triangle of the neighbouring frame is tried against every surface point of a tiny frame."""
    size = 28
    scene = sample_scene(SampleRequest(width=size, height=size), FrameRange.parse("1-6"))
    frame = render_frame(scene, 4, (size, size), previous=3, following=5, supersample=1)
    found = styled_truth(frame, 0)
    for name, other in (("revealed.Y", frame.previous), ("hidden_next.Y", frame.following)):
        assert other is not None
        centre = frame.hits.centres
        points = centre.interpolate(scene.faces, other.vertices)
        corners = other.vertices[scene.faces]  # ortho, looking down z: compare in x and y
        hidden = np.array([_covered(point, corners) for point in points])
        expected = centre.scatter(hidden.astype(np.float32))
        assert hidden.any()
        assert (found[name] != expected).mean() < 2 / size**2


def _covered(point: np.ndarray, corners: np.ndarray, tolerance: float = 1e-3) -> bool:
    a, b, c = (corners[:, k] for k in range(3))
    d1, d2, to = (b - a)[:, :2], (c - a)[:, :2], point[:2] - a[:, :2]
    area = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (to[:, 0] * d2[:, 1] - to[:, 1] * d2[:, 0]) / area
        v = (d1[:, 0] * to[:, 1] - d1[:, 1] * to[:, 0]) / area
        z = a[:, 2] + u * (b - a)[:, 2] + v * (c - a)[:, 2]
    return bool(((u >= 0) & (v >= 0) & (u + v <= 1) & (z > point[2] + tolerance)).any())


def test_ends_of_the_range_reveal_and_hide_nothing() -> None:
    scene = sample_scene(REQUEST, RANGE)
    first = styled_truth(render_frame(scene, 1001, (SIZE, SIZE), following=1002), 0)
    assert not first["revealed.Y"].any()
    last = styled_truth(render_frame(scene, 1048, (SIZE, SIZE), previous=1047), 0)
    assert not last["hidden_next.Y"].any()
    assert truth()["revealed.Y"].any()
    assert truth()["hidden_next.Y"].any()


# --- contours and the hand ---------------------------------------------------------------------------------------


def test_no_contour_at_smooth_joints_of_the_rest_pose() -> None:
    contours = find_contours(keyframe())
    assert not contours.occluding.any()
    part = contours.part
    joint = (part[1:] != part[:-1]) & (part[1:] > 0) & (part[:-1] > 0)
    inner = ndimage.binary_erosion(contours.seen, iterations=3)
    assert (joint & inner[1:]).sum() > 100  # there are joints to be wrong about
    assert not (contours.owner & inner).any()


def test_a_contour_where_a_forearm_crosses_owned_by_the_near_side() -> None:
    contours = find_contours(crossing())
    hand = PARTS.index("right_hand") + 1
    assert (contours.occluding & (contours.part == hand)).sum() > 60
    for axis in (0, 1):
        for step in (1, -1):
            far = np.roll(contours.depth, step, axis)
            beside = contours.occluding & (np.roll(contours.part, step, axis) != contours.part) & np.isfinite(far)
            fall = far[beside] - contours.depth[beside]
            assert (fall[np.abs(fall) > 0.1] > 0).mean() > 0.9


def test_distances_are_unsigned_truncated_and_zero_on_the_edge() -> None:
    distance, occlusion = truth()["contour.distance"], truth()["occlusion.distance"]
    alpha = crossing().buffers["color"][3].astype(np.float32)
    assert distance.dtype == np.float32
    assert distance[(alpha > 0.3) & (alpha < 0.7)].max() < 1
    assert distance.min() >= 0
    assert distance.max() == CONTOUR_RANGE
    assert (occlusion >= distance).all()
    assert (occlusion > distance + 5).any()  # silhouettes are left out


# --- the middle of the stroke


def middle(channels: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(2, y, x) to the nearest middle of a stroke, and (y, x) the pixels it runs through."""
    step = np.stack([channels["centre.X"], channels["centre.Y"]]).astype(np.float32)
    return step, (np.abs(step) <= 0.5).all(0)


EVEN = replace(
    SAMPLE_HAND,
    width=2.5,
    swell=0,
    tremor=0,
    limits=(2.5, 2.5),
    overshoot=0,
    darkness=1,
    fade=0,
    dry=0,
    bare=0,
    second=0,
)


def test_the_middle_of_a_stroke_lies_half_its_width_inside_the_contour() -> None:
    channels = styled_truth(keyframe(), 0, {1: EVEN}, 1.0)
    step, on = middle(channels)
    assert on.sum() > 200
    np.testing.assert_allclose(channels["centre.width"][on], 2.5, atol=0.01)
    place = np.stack(np.nonzero(on)) + step[::-1, on]
    depth = ndimage.map_coordinates(channels["contour.distance"], place, order=1)
    assert np.median(depth) == pytest.approx(1.25, abs=0.25)  # contour samples lie up to one sample inside
    assert (np.abs(depth - 1.25) < 0.5).mean() > 0.85  # where strokes meet, they share one middle
    apart = np.hypot(*step)
    away = ndimage.distance_transform_edt(~on)
    assert np.abs(apart - away)[away < 20].max() < 1.1
    assert apart.max() == pytest.approx(CONTOUR_RANGE, abs=0.05)


def test_grain_and_darkness_do_not_move_the_middle() -> None:
    pencil = replace(EVEN, darkness=0.3, fade=0.2, faintest=0.1, dry=0.6, tooth=0.7, rough=0.4, second=1.5, bare=2)
    plain, grainy = (styled_truth(crossing(), 0, {1: hand}, 0.7) for hand in (EVEN, pencil))
    assert grainy["line.A"].sum() < 0.6 * plain["line.A"].sum()
    for name in ("centre.X", "centre.Y", "centre.width"):
        np.testing.assert_array_equal(plain[name], grainy[name])
    wandering = styled_truth(crossing(), 0, {1: replace(EVEN, wander=1.0)}, 0.7)
    assert (wandering["centre.X"] != plain["centre.X"]).mean() > 0.3


def test_no_stroke_has_no_middle() -> None:
    channels = styled_truth(crossing(), 0, {})
    step, on = middle(channels)
    assert not on.any()
    np.testing.assert_allclose(np.hypot(*step), CONTOUR_RANGE, atol=0.05)
    assert not channels["centre.width"].any()


def test_the_far_side_of_a_contour_is_behind_it() -> None:
    far, near = truth()["contour.far"] > 0, crossing().buffers["depth"][0]
    assert far[np.isinf(near)].all()  # background is behind every silhouette
    part = crossing().buffers["part_id"][0]
    hand, head = (part == PARTS.index(name) + 1 for name in ("right_hand", "head"))
    assert not far[hand].any()
    rim = head & (ndimage.distance_transform_edt(~hand) < 3)
    assert rim.sum() > 10
    assert far[rim].mean() > 0.8
    assert not far[head & (truth()["contour.distance"] < 3) & (truth()["occlusion.distance"] > 12)].any()


def test_beauty_is_line_over_fill_and_fill_is_the_render() -> None:
    line, fill, beauty = (layer(truth(), prefix) for prefix in ("line.", "fill.", ""))
    np.testing.assert_allclose(beauty.astype(np.float32), over(line, fill), atol=1e-3)
    np.testing.assert_array_equal(fill, crossing().buffers["color"])
    for rgba in (line, fill, beauty):
        assert rgba.min() >= 0
        assert rgba[3].max() <= 1.001


def test_the_line_follows_contours_and_hardly_leaves_the_silhouette() -> None:
    line, distance = truth()["line.A"].astype(np.float32), truth()["contour.distance"]
    assert line[distance < 0.7].mean() > 0.4
    assert (line[distance > 4] == 0).all()
    outside = ndimage.distance_transform_edt(crossing().buffers["object_id"][0] == 0)
    assert (line[outside > 3] == 0).all()


def test_no_ink_on_a_surface_that_hides_the_contour() -> None:
    """Ink well inside the hand before the face would be the face's outline drawn over it."""
    part = crossing().buffers["part_id"][0]
    hand = ndimage.binary_erosion(part == PARTS.index("right_hand") + 1, iterations=3)
    assert hand.any()
    assert truth()["line.A"][hand].max() < 0.1


def test_the_hand_is_uneven() -> None:
    request = SampleRequest()
    frame = render_frame(keyframe_scene(request), 0, (request.width, request.height))
    line = layer(styled_truth(frame, 0), "line.").astype(np.float32)
    inked = line[3] > 0.5
    thickness = ndimage.distance_transform_edt(inked)
    ridge = thickness[(thickness == ndimage.maximum_filter(thickness, 3)) & inked]
    assert ridge.std() / ridge.mean() > 0.15
    straight = line[:3, inked] / line[3, inked]
    assert straight.std(axis=1).max() > 0.003


def test_pen_holds_on_the_surface_from_frame_to_frame() -> None:
    """Noise is a function of rest position alone."""
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    np.testing.assert_array_equal(field(points, 5, 3), field(points[::-1], 5, 3)[::-1])
    values = field(np.random.default_rng(0).uniform(-9, 9, (20000, 3)), 5, 3)
    assert abs(values.mean()) < 0.2
    assert 0.7 < values.std() < 1.3
    near = field(points + 1e-4, 5, 3) - field(points, 5, 3)
    assert np.abs(near).max() < 0.02


def test_lighting_shades_render_and_truth_alike() -> None:
    lit = SampleRequest(width=SIZE, height=SIZE, lighting="lit")
    frame = render_frame(keyframe_scene(lit), 0, (SIZE, SIZE))
    flat = keyframe().buffers
    np.testing.assert_array_equal(frame.buffers["albedo"], flat["albedo"])
    seen = flat["color"][3] == 1
    ratio = frame.buffers["color"][1][seen].astype(np.float32) / flat["color"][1][seen]
    assert ratio.max() - ratio.min() > 0.25
    np.testing.assert_array_equal(layer(styled_truth(frame, 0), "fill."), frame.buffers["color"])


# --- files -------------------------------------------------------------------------------------------------------


def _make(root: Path, **options: object) -> Layout:
    layout = Layout.of(str(root))
    base: dict[str, object] = {"frames": "1001-1003", "width": 64, "height": 64}
    make_sample(layout, SampleRequest.model_validate(base | options))
    return layout


def _read(path: Path) -> dict[str, np.ndarray]:
    with OpenEXR.File(str(path), separate_channels=True) as image:
        return {name: channel.pixels.copy() for name, channel in image.channels().items()}


def test_files_read_back_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    first, other = _make(tmp_path / "a"), _make(tmp_path / "c", seed=1)
    _make(tmp_path / "b", threads=1)
    names = ["figure.1001.exr", "figure.1002.exr", "figure.1003.exr"]
    assert sorted(p.name for p in Path(first.truth("figure")).iterdir()) == names
    assert sorted(p.name for p in Path(first.renders("figure")).iterdir()) == [*names, "shot.yaml"]
    for folder in ("renders/figure", "truth/figure", "styles/figure"):
        for path in sorted((tmp_path / "a" / folder).iterdir()):
            assert path.read_bytes() == (tmp_path / "b" / folder / path.name).read_bytes()
    assert (tmp_path / "a/truth/figure/figure.1001.exr").read_bytes() != (
        tmp_path / "c/truth/figure/figure.1001.exr"
    ).read_bytes()
    assert other.shots() == ["figure"]

    shot = first.shot_config("figure")
    assert (shot.source, shot.adapter, shot.styles) == ("figure.####.exr", "osf", {"*": "figure"})
    assert shot.parts[3] == "head"
    assert _read(tmp_path / "a/truth/figure/figure.1002.exr").keys() == {
        *"RGBA", *(f"{name}.{c}" for name in ("line", "fill") for c in "RGBA"),
        "contour.distance", "occlusion.distance", "contour.far", "revealed.Y", "hidden_next.Y",
        "centre.X", "centre.Y", "centre.width",
    }  # fmt: skip

    style = first.style_config("figure").exemplars[0]
    drawing = Image.open(Path(first.style("figure")) / style.drawing)
    key = _read(Path(first.style("figure")) / style.keyframe)
    assert drawing.mode == "RGBA"
    alpha = np.asarray(drawing)[..., 3]
    assert alpha.shape == key["A"].shape
    assert (alpha[key["A"] == 1] == 255).all()  # registered to the keyframe
    assert alpha[0, 0] == 0  # transparent, not paper


def test_options_add_objects_and_move_the_camera(tmp_path: Path) -> None:
    layout = _make(tmp_path, prop=True, two_figures=True, camera_move=True, shot="busy", frames="1-5")
    shot = layout.shot_config("busy")
    assert shot.objects == {1: "figure", 2: "friend", 3: "ball"}
    assert shot.camera_at(1) != shot.camera_at(3)
    ids = _read(Path(layout.renders("busy")) / "busy.0003.exr")["object_id.I"]
    assert set(np.unique(ids)) == {0, 1, 2, 3}


def test_two_figures_touch() -> None:
    scene = sample_scene(SampleRequest(two_figures=True), RANGE)
    half = len(scene.rest) // 2
    poses = [scene.posed(frame) for frame in RANGE]
    overlap = [pose[:half, 0].max() - pose[half:, 0].min() for pose in poses]
    assert 0 < max(overlap) < 0.04  # the two mirror each other: each reaches half of this over the middle
    assert min(overlap) < -0.5


def test_unknown_options_and_even_sampling_are_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        SampleRequest.model_validate({"colour": 1})
    with pytest.raises(ValueError, match="even number"):
        render_frame(keyframe_scene(REQUEST), 0, (32, 32), supersample=2)
