"""Rules that hold normals, depth, positions and the camera of one frame against each other.

Belongs here: normals of another space or with flipped axes, distance along the ray. Does not: encodings of normals
(`validate.stored`), motion (`validate.motion`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from osf_pipeline.config import Camera
from osf_pipeline.validate.findings import Finding
from osf_pipeline.validate.subject import Subject, stride

SAMPLES = 4000
ENOUGH = 200
BACKFACING = 0.25
"""Largest share of visible pixels whose normal may point away from the camera."""
FACING = 0.15
"""Least z of a normal that takes part in a comparison with slopes of depth; rims are too noisy."""
TILT = 0.05
"""Mean tilt of normals below which a surface is too flat to tell."""
POOR, GOOD = 0.3, 0.75
"""Agreement of normals with slopes, −1..1, below which they are wrong, and from which a reading explains them."""
SMOOTH = 0.5
"""Largest change of a slope of depth between neighbours, in slopes."""
PLANAR = 1e-3
"""Relative error of depth from which it is not planar."""
BEND = 0.02
"""The same for directions on the surface, which normals tell: radians between tangent and plane."""
BETTER = 0.25
"""Share of the error that the right reading leaves at most."""


def normal_axes(subject: Subject) -> Iterator[Finding]:
    """Normals of another space, or with axes the other way: their slopes are not those of depth.

    Where a surface leans to the right, depth grows to the left, whatever the camera and its scale. Every sign of the
    stored axes is tried, and the other space where the camera is known.
    """
    if "normal" not in subject.buffers:
        return
    read = _Slopes.of(subject)
    as_read = read.agreement(np.eye(3)) if read else 1.0
    if read and as_read < POOR:
        binding, turn = subject.mapping.bindings["normal"], np.eye(3)
        world = binding.space == "world"
        if subject.camera is not None:
            turn = subject.camera.rotation.T if world else subject.camera.rotation
            other = "camera" if world else "world"
            if read.agreement(turn) >= GOOD:
                yield subject.finding(
                    "normal_space", "error", "normal",
                    f"normals disagree with the slopes of depth ({as_read:+.2f} of 1), but agree when taken as "
                    f"{other} space ({read.agreement(turn):+.2f})",
                    f"Set `normal_space: {other}`.",
                )  # fmt: skip
                return
        signs = {s: read.agreement(_flipped(s, turn if world else np.eye(3))) for s in product((1, -1), repeat=3)}
        best = max(signs, key=lambda s: signs[s])
        if signs[best] >= GOOD:
            scale = [f * s for f, s in zip(binding.scale or (1, 1, 1), best, strict=True)]
            axes = " and ".join(axis for axis, sign in zip("xyz", best, strict=True) if sign < 0)
            yield subject.finding(
                "normal_flip", "error", "normal",
                f"normals disagree with the slopes of depth ({as_read:+.2f} of 1), but agree with {axes} the other way "
                f"({signs[best]:+.2f})",
                f"Set `scale: {{normal: [{', '.join(f'{s:g}' for s in scale)}]}}` in shot.yaml.",
            )  # fmt: skip
            return
    every = stride(subject.shape, SAMPLES)
    normal = subject.buffers["normal"][:, ::every, ::every]
    seen = normal.any(0)
    away = float((normal[2][seen] < -0.1).mean()) if seen.any() else 0
    if away > BACKFACING:
        yield subject.finding(
            "normal_space", "error", "normal", f"{away:.0%} of the visible surface faces away",
            "Set `normal_space` to what the renderer writes (world or camera) and check the axes of `camera`.",
        )  # fmt: skip


def _flipped(signs: tuple[int, ...], turn: np.ndarray) -> np.ndarray:
    """The matrix that flips stored axes of normals that `turn` takes back to the space they are stored in."""
    flipped: np.ndarray = turn.T @ np.diag(signs) @ turn
    return flipped


@dataclass(frozen=True)
class _Slopes:
    """Normals beside the slopes of depth at smooth places of a surface.

    Attributes:
        normal: (3, n) camera space, as read.
        across, down: (n,) change of depth from the left to the right, and from the upper to the lower neighbour.
    """

    normal: np.ndarray
    across: np.ndarray
    down: np.ndarray

    @classmethod
    def of(cls, subject: Subject) -> _Slopes | None:
        """None where there is no depth or the surface is too flat, too small or too rough."""
        if "depth" not in subject.buffers:
            return None
        depth = subject.buffers["depth"][0]
        every = stride(depth.shape, SAMPLES)
        here, left, right, above, below = _crosses(depth, every)
        with np.errstate(invalid="ignore"):
            across, down = right - left, below - above
            smooth = (np.abs(right + left - 2 * here) <= SMOOTH * np.abs(across)) & (
                np.abs(above + below - 2 * here) <= SMOOTH * np.abs(down)
            )  # fmt: skip
        normal = subject.buffers["normal"][:, 1:-1:every, 1:-1:every].astype(np.float32)
        keep = smooth & np.isfinite(across) & np.isfinite(down) & normal.any(0)
        if keep.sum() < ENOUGH:
            return None
        found = cls(normal[:, keep], across[keep], down[keep])
        return found if np.abs(found.normal[:2]).mean() >= TILT else None

    def agreement(self, matrix: np.ndarray) -> float:
        """−1..1: how far the normals, changed by `matrix`, lean as depth does, on the worse axis; −1 if they face away.

        Between `POOR` and `GOOD` where too little faces the camera to tell: a floor that is seen at a grazing angle.

        A plane n·P = c at P = (x, −y, −d) of an orthographic view has ∂d/∂x = n_x / n_z and ∂d/∂y = −n_y / n_z in
        units of a pixel; perspective keeps the signs.
        """
        x, y, z = np.asarray(matrix, np.float32) @ self.normal
        facing = z > FACING
        if (z < -FACING).mean() > BACKFACING:
            return -1.0
        if facing.sum() < ENOUGH:
            return (POOR + GOOD) / 2
        leaning = []
        for lean, slope in ((x, self.across), (-y, self.down)):
            weight = np.abs(lean[facing])
            total = float(weight[slope[facing] != 0].sum())
            leaning.append(float((lean[facing] * np.sign(slope[facing])).sum()) / total if total else 0.0)
        return min(leaning)


def _crosses(plane: np.ndarray, every: int) -> tuple[np.ndarray, ...]:
    """Some inner pixels of (y, x) and their left, right, upper and lower neighbours."""
    rows, columns = slice(1, -1, every), slice(1, -1, every)
    return (
        plane[rows, columns], plane[rows, :-2:every], plane[rows, 2::every], plane[:-2:every, columns],
        plane[2::every, columns],
    )  # fmt: skip


def radial_depth(subject: Subject) -> Iterator[Finding]:
    """Depth along the ray instead of along the camera axis; equal under an orthographic camera.

    Positions tell it exactly. Without them normals do: neighbours on a surface lie across its normal, once their depth
    is read rightly.
    """
    camera = subject.camera
    if "depth" not in subject.mapping.bindings or camera is None or camera.projection != "persp":
        return
    if "position" in subject.buffers:
        planar, radial, least = *_by_position(subject, camera), PLANAR
    elif "normal" in subject.buffers:
        planar, radial, least = *_by_normal(subject, camera), BEND
    else:
        return
    if planar > least and radial <= BETTER * planar:
        yield subject.finding(
            "depth_radial", "error", "depth",
            f"depth runs along the ray: read so it is off by {radial:.4f}, as planar depth by {planar:.4f}",
            "Render planar depth (Z), or leave the pass out and give `position`, from which depth is derived.",
        )  # fmt: skip


def _by_position(subject: Subject, camera: Camera) -> tuple[float, float]:
    """Median relative error of depth as planar and as radial distance to the position pass; 0, 0 without samples."""
    every = stride(subject.shape, SAMPLES)
    seen = subject.surface[::every, ::every]
    if seen.sum() < ENOUGH:
        return 0, 0
    depth = subject.buffers["depth"][0, ::every, ::every][seen]
    ray = subject.buffers["position"][:, ::every, ::every][:, seen] - np.array(camera.position, np.float32)[:, None]
    planar = -(camera.rotation[2].astype(np.float32) @ ray)
    radial = np.sqrt(np.einsum("cn,cn->n", ray, ray))
    return tuple(float(np.median(np.abs(depth - d) / radial)) for d in (planar, radial))  # type: ignore[return-value]


def _by_normal(subject: Subject, camera: Camera) -> tuple[float, float]:
    """Median angle, in radians, between surface steps and the plane of the normal, for planar and for radial depth."""
    depth, window, header = subject.buffers["depth"][0], subject.found.window, subject.header
    every = stride(depth.shape, SAMPLES)
    rows, columns = (np.arange(1, size - 1, every) for size in depth.shape)
    y, x = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
    x0, y0, x1, y1 = header.display_window
    half = np.tan(np.radians(float(camera.fov or 0)) / 2) / ((x1 - x0 + 1) / 2)
    normal = subject.buffers["normal"][:, y, x].astype(np.float32)

    def direction(dy: int, dx: int) -> np.ndarray:
        """(3, n) rays of planar length 1 through a neighbour, in camera space."""
        across = (x + dx + window[0] - (x0 + x1) / 2) * half
        up = -(y + dy + window[1] - (y0 + y1) / 2) * half / header.pixel_aspect
        return np.stack([across, up, np.full(len(x), -1.0)])

    errors: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for before, after in (((0, -1), (0, 1)), ((-1, 0), (1, 0))):
        near, here, far = depth[y + before[0], x + before[1]], depth[y, x], depth[y + after[0], x + after[1]]
        with np.errstate(invalid="ignore"):
            smooth = np.abs(near + far - 2 * here) <= 1e-3 * here
        keep = smooth & np.isfinite(near + here + far) & normal.any(0)
        for radial, found in errors.items():
            ends = []
            for offset, value in ((before, near), (after, far)):
                ray = direction(*offset)
                ends.append(value[keep] * (ray / np.linalg.norm(ray, axis=0) if radial else ray)[:, keep])
            step = ends[1] - ends[0]
            found.append(np.abs((step * normal[:, keep]).sum(0)) / np.maximum(np.linalg.norm(step, axis=0), 1e-30))
    planar, radial_error = (np.concatenate(errors[radial]) for radial in (False, True))
    if len(planar) < ENOUGH:
        return 0, 0
    return float(np.median(planar)), float(np.median(radial_error))
