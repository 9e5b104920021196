from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osf_pipeline.config import Camera, ShotConfig, Source
from osf_pipeline.exr.adapters import Binding, BufferMap, map_buffers
from osf_pipeline.exr.convert import canonical, trim_to_figure
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.read import place, read_exr
from osf_pipeline.exr.write import write_exr
from osf_pipeline.validate.findings import Finding
from osf_pipeline.validate.motion import check_pair, judge

Buffers = dict[str, np.ndarray]
Pair = tuple[float, float]
MAPPING = BufferMap("aov", "", {"motion": Binding(("mv.X", "mv.Y"), scale=(2, 1))})
SIZE = np.array([128, 96], np.float32)[:, None, None]


def buffers(figure, frame: int, drop: tuple[str, ...] = ()) -> Buffers:
    stored = figure.channels(frame)
    names = {"color": "RGBA", "depth": ("depth.Z",), "part_id": ("part_id.I",)} | {
        name: tuple(f"{name}.{c}" for c in axes) for name, axes in (("rest_position", "XYZ"), ("motion", "XY"))
    }
    return {k: np.stack([stored[c] for c in v]) for k, v in names.items() if k not in drop}


def findings(figure, change: Callable[[np.ndarray], np.ndarray], drop: tuple[str, ...] = ()) -> list[Finding]:
    previous, current = buffers(figure, 1, drop), buffers(figure, 2, drop)
    current["motion"] = change(current["motion"]).astype(np.float32)
    return check_pair(previous, current, MAPPING, "a.exr", 2, 1)[0]


WRONG = {
    "with the sign reversed": (lambda m: -m, "motion: [-2, -1]"),
    "with y the other way": (lambda m: m * [[[1]], [[-1]]], "motion: [2, -1]"),
    "with x the other way": (lambda m: m * [[[-1]], [[1]]], "motion: [-2, 1]"),
    "with x and y swapped": (lambda m: m[::-1], "motion: [1, 2]"),
    "in image widths and heights": (lambda m: m / SIZE, "motion: [256, 96]"),
    "with y the other way, in NDC (2 per image)": (lambda m: m / SIZE * [[[2]], [[-2]]], "motion: [128, -48]"),
}


@pytest.mark.parametrize(
    "drop", [(), ("rest_position",), ("rest_position", "part_id", "depth")], ids=["rest", "color", "bare"]
)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_convention_is_named_with_its_cure(figure, name: str, drop: tuple[str, ...]) -> None:
    change, cure = WRONG[name]
    (finding,) = findings(figure, change, drop)
    assert (finding.rule, finding.severity, finding.frame, finding.channel) == ("motion", "error", 2, "motion")
    assert f"read as {name} (" in finding.value
    assert cure in finding.fix
    assert ("channels: {motion: [mv.Y, mv.X]}" in finding.fix) == ("swapped" in name)


@pytest.mark.parametrize("drop", [(), ("rest_position",)], ids=["rest", "color"])
def test_right_motion_passes(figure, drop: tuple[str, ...]) -> None:
    assert findings(figure, lambda m: m, drop) == []


def test_motion_that_is_all_zero(figure) -> None:
    (finding,) = findings(figure, lambda m: 0 * m)
    assert "zero everywhere, yet the figure moves" in finding.value
    held = buffers(figure, 1)
    still = {**held, "motion": 0 * held["motion"]}
    assert check_pair(held, still, MAPPING, "a.exr", 2, 1)[0] == []  # a held drawing is legal


def test_noise_is_refused_without_a_name(figure) -> None:
    rng = np.random.default_rng(0)
    (finding,) = findings(figure, lambda m: m + rng.normal(0, 12, m.shape))
    assert finding.severity == "error"


def test_motion_of_one_frame_in_files_on_twos(figure) -> None:
    previous, current = buffers(figure, 1), buffers(figure, 3)
    (finding,) = check_pair(previous, current, MAPPING, "a.exr", 3, 2)[0]
    assert "for one frame though files are several apart" in finding.value
    assert "[4, 2]" in finding.fix


def test_motion_to_the_next_frame(figure) -> None:
    mapping = BufferMap("aov", "", {"motion_next": Binding(("f.u", "f.v"))})
    first, second = (
        {**buffers(figure, n, ("motion",)), "motion_next": buffers(figure, n)["motion"]} for n in (1, 2)
    )  # fmt: skip
    assert check_pair(first, second, mapping, "a.exr", 2, 1)[0] == []
    first["motion_next"] = -first["motion_next"]
    (finding,) = check_pair(first, second, mapping, "a.exr", 2, 1)[0]
    assert (finding.channel, "sign reversed" in finding.value) == ("motion_next", True)


def test_an_empty_pair_proves_nothing(figure) -> None:
    empty = {name: np.zeros_like(values) for name, values in buffers(figure, 1).items()}
    empty["depth"] = empty["depth"] + np.inf
    found, proven = check_pair(empty, empty, MAPPING, "a.exr", 2, 1)
    assert (found, proven) == ([], False)


def drawn(frame: int, offset: tuple[float, float] = (0, 0), radius: float = 30, **rates: Pair) -> Buffers:
    """A disc at 50, 48 of 128 x 96 pixels after `offset`, with position, uv and rest position that move at `rates`.

    Each rate is how far the carrier's values travel over the picture per frame: as far as the disc for what sticks.
    """
    y, x = np.mgrid[:96, :128].astype(np.float32)
    seen = (x - 50 - offset[0]) ** 2 + (y - 48 - offset[1]) ** 2 < radius**2
    found: Buffers = {
        "color": np.repeat(seen[None], 4, 0).astype(np.float32),
        "depth": np.where(seen, 5, np.inf)[None].astype(np.float32),
    }
    for name, (right, down) in rates.items():
        planes = [(x - right * frame) / 50, (y - down * frame) / 50, 0 * x]
        found[name] = np.stack([np.where(seen, p, 0) for p in planes[: 2 if name == "uv" else 3]]).astype(np.float32)
    return found


def judged(previous: Buffers, current: Buffers, motion: np.ndarray | Pair, blender: bool = True) -> list[Finding]:
    field = np.zeros((2, 96, 128), np.float32)
    field += motion if isinstance(motion, np.ndarray) else np.reshape(motion, (2, 1, 1))
    mapping = BufferMap("blender" if blender else "aov", "", MAPPING.bindings)
    return check_pair(previous, {**current, "motion": field * np.isfinite(current["depth"])}, mapping, "a.exr", 2, 1)[0]


def skewed(motion: tuple[float, float]) -> np.ndarray:
    """What Blender 4.5 and 5.0 write for a moving orthographic camera: a field that depends on position."""
    y, x = np.mgrid[:96, :128].astype(np.float32)
    return np.stack([motion[0] * (1.8 - 0.03 * (x - 50)), motion[1] + 0.3 * motion[0] * (y - 48) / 10])


@pytest.mark.parametrize("carrier", ["rest_position", "uv"])
def test_a_field_that_depends_on_position_is_refused_and_the_camera_named(carrier: str) -> None:
    for speed in (10, 2):
        rate = {carrier: (speed, 0)}
        previous, current = drawn(1, (speed, 0), **rate), drawn(2, (2 * speed, 0), **rate)
        assert judged(previous, current, (speed, 0)) == []
        (finding,) = judged(previous, current, skewed((speed, 0)))
        assert (finding.severity, "orthographic camera" in finding.fix) == ("error", True)
        (finding,) = judged(previous, current, skewed((speed, 0)), blender=False)
        assert "orthographic" not in finding.fix


def test_world_positions_warn_where_the_camera_passes_a_still_world() -> None:
    rate = {"position": (10.0, 0.0)}  # the world goes over the picture as fast as the disc
    previous, current = drawn(1, (10, 0), **rate), drawn(2, (20, 0), **rate)
    assert judged(previous, current, (10, 0)) == []
    (finding,) = judged(previous, current, skewed((10, 0)))
    assert finding.severity == "warning"
    (finding,) = judged(previous, current, (-10, 0))
    assert "with the sign reversed" in finding.value


@pytest.mark.parametrize("camera", [(0.0, 0.0), (10.0, 0.0), (-4.0, 6.0)], ids=["resting", "following", "passing"])
def test_world_positions_say_nothing_of_a_moving_subject(camera: tuple[float, float]) -> None:
    """The disc moves by 10 pixels over a picture in which the world moves with the camera."""
    rate = {"position": camera}
    assert judged(drawn(1, (10, 0), **rate), drawn(2, (20, 0), **rate), (10, 0)) == []


def test_one_moving_limb_shows_that_zero_motion_is_missing() -> None:
    previous, current = drawn(1, rest_position=(0, 0)), drawn(2, rest_position=(0, 0))
    assert judged(previous, current, (0, 0)) == []
    current["rest_position"][:, 40:50, 60:75] = previous["rest_position"][:, 46:56, 60:75]
    (finding,) = judged(previous, current, (0, 0))
    assert "zero everywhere, yet the figure moves (rest_position changes on 5%)" in finding.value


def test_noise_of_mixed_pixels_moves_nothing() -> None:
    previous, current = drawn(1, rest_position=(0, 0)), drawn(2, rest_position=(0, 0))
    current["sample"] = np.isfinite(current["depth"]).astype(np.uint8)
    current["rest_position"][:, 40:50, 60:75] += 0.3
    current["sample"][:, 40:50, 60:75] = 2
    assert judged(previous, current, (0, 0)) == []


def test_a_figure_on_twos() -> None:
    held, moved = drawn(1, (6, 0), rest_position=(6, 0)), drawn(2, (12, 0), rest_position=(6, 0))
    assert judged(held, held, (0, 0)) == []
    assert judged(held, moved, (6, 0)) == []
    assert len(judged(held, moved, (0, 0))) == 1


def test_fast_motion() -> None:
    rate = {"rest_position": (45, -20)}
    previous, current = drawn(0, (-20, 15), 20, **rate), drawn(1, (25, -5), 20, **rate)
    assert judged(previous, current, (45, -20)) == []
    (finding,) = judged(previous, current, (-45, 20))
    assert "with the sign reversed" in finding.value


def test_a_subject_that_enters_or_leaves_the_picture() -> None:
    rate = {"rest_position": (50, 0)}
    outside, inside = drawn(0, (-70, 0), **rate), drawn(1, (-20, 0), **rate)
    assert np.isfinite(outside["depth"]).mean() < 0.3 * np.isfinite(inside["depth"]).mean()
    assert judged(outside, inside, (50, 0)) == []
    assert len(judged(outside, inside, (-50, 0))) == 1
    whole = drawn(0, (-10, 0), **rate), drawn(1, (40, 0), **rate)
    assert len(judged(*whole, (50 * 128, 0))) == 1  # a wrong unit sends everything outside
    mapping = BufferMap("aov", "", {"motion_next": Binding(("f.u", "f.v"))})
    back = np.broadcast_to(np.array([[[-50]], [[0]]], np.float32), (2, 96, 128)) * np.isfinite(inside["depth"])
    assert check_pair({**inside, "motion_next": back}, outside, mapping, "a.exr", 2, 1)[0] == []
    gone = {**outside, "depth": np.full_like(outside["depth"], np.inf)}
    assert check_pair({**inside, "motion_next": back}, gone, mapping, "a.exr", 2, 1) == ([], False)


def real(path: Path, source: Source) -> Buffers:
    mapping = map_buffers(read_header(str(path)), source)
    image = read_exr(str(path), mapping.channels, mapping.fill)
    frame = canonical(trim_to_figure(image, mapping), mapping, source, 0)
    return {k: place(v, frame.window, image.window, np.inf if k == "depth" else 0) for k, v in frame.buffers.items()}


@pytest.mark.data
@pytest.mark.parametrize("shot", ["char1_zombie", "char3_dab"])
def test_real_motion_and_every_way_to_get_it_wrong(shared_data: Path, shot: str) -> None:
    config = ShotConfig(camera=Camera(scale=2, right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0)))
    wrong = {"": lambda m: m, "sign reversed": lambda m: -m, "y the other": lambda m: m * [[[1]], [[-1]]],
             "x and y swapped": lambda m: m[::-1], "image widths": lambda m: m / 512}  # fmt: skip
    for frame in (2, 12, 25):
        previous, current = (
            real(shared_data / f"renders/{shot}/frame_{n:04d}.exr", config) for n in (frame - 1, frame)
        )
        for name, change in wrong.items():
            verdict = judge(current, previous, np.asarray(change(current["motion"]), np.float32))
            assert verdict.right == (name == "")
            assert name in verdict.best.name


@pytest.mark.data
def test_real_neighbours_of_8_samples_a_pixel(shared_data: Path) -> None:
    folder = shared_data / "exr_conformance/blender_native/blender4.5.15_raw8spp"
    previous, current = (real(folder / f"frame_{n:04d}.exr", Source()) for n in (18, 19))
    assert judge(current, previous, current["motion"], 1).right
    assert not judge(current, previous, -current["motion"], 1).right


@pytest.mark.data
@pytest.mark.parametrize(("version", "right"), [("4.2.23", True), ("4.5.15", False), ("5.0.1", False)])
@pytest.mark.parametrize("carrier", ["uv", "position"])
def test_the_moving_orthographic_camera_of_blender(
    shared_data: Path, tmp_path: Path, version: str, right: bool, carrier: str
) -> None:
    """A static plane and a camera that moved 10 pixels to the left: the frame before is the picture 10 pixels on."""
    path = shared_data / f"exr_conformance/blender_probe/blender{version}/ortho_cammove.exr"
    mapping = map_buffers(read_header(str(path)), Source())
    image = read_exr(str(path), mapping.channels, mapping.fill)
    shifted = {name: np.roll(plane, 10, axis=1) for name, plane in image.channels.items()}
    write_exr(str(tmp_path / "a.0001.exr"), shifted, attributes={"BlenderMultiChannel": "x"})
    previous, current = real(tmp_path / "a.0001.exr", Source()), real(path, Source())
    if carrier == "position":
        del previous["uv"]
    found, proven = check_pair(previous, current, mapping, "a.exr", 2, 1)
    assert proven
    motion = [finding for finding in found if finding.channel == "motion"]
    assert [finding.severity for finding in motion] == ([] if right else ["error" if carrier == "uv" else "warning"])
    assert all("moves: Blender 4.5 and 5.0" in finding.fix for finding in motion)


@settings(max_examples=15, deadline=None)
@given(velocity=st.tuples(st.floats(-9, 9), st.floats(-9, 9)).filter(lambda v: max(abs(v[0]), abs(v[1])) > 1.5))
def test_any_true_motion_is_proven_both_ways_and_its_reverse_refused(figure, velocity: Pair) -> None:
    moving = replace(figure, velocity=velocity, centre=(64.0, 48.0))
    previous, current = buffers(moving, 0), buffers(moving, 1)
    ahead = np.stack([moving.channels(0)[f"motion_next.{axis}"] for axis in "XY"])
    assert judge(current, previous, current["motion"]).right
    assert judge(previous, current, -ahead).right
    assert not judge(current, previous, -current["motion"]).right
    assert not judge(previous, current, ahead).right
