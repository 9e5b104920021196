from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.config import Camera, ShotConfig, Source
from osf_pipeline.exr.adapters import Binding, BufferMap, map_buffers
from osf_pipeline.exr.convert import canonical
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.read import place, read_exr
from osf_pipeline.validate.findings import Finding
from osf_pipeline.validate.motion import check_pair, judge

Buffers = dict[str, np.ndarray]
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


def real(path: Path, source: Source) -> Buffers:
    mapping = map_buffers(read_header(str(path)), source)
    image = read_exr(str(path), mapping.channels, mapping.fill)
    frame = canonical(image, mapping, source, 0)
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
