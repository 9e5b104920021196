"""A small character of boxes, and a project that holds it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.layout import Layout
from osf_pipeline.render.shapes import box

# Role: parent, head, tail; the left side, mirrored below.
_MIDDLE = {
    Role.PELVIS: (None, (0, 0.9, 0), (0, 1.0, 0)),
    Role.TORSO: (Role.PELVIS, (0, 1.0, 0), (0, 1.4, 0)),
    Role.HEAD: (Role.TORSO, (0, 1.4, 0), (0, 1.8, 0)),
}
_LEFT = {
    "upper_arm": (Role.TORSO, (0.2, 1.35, 0), (0.5, 1.3, 0)),
    "forearm": ("upper_arm", (0.5, 1.3, 0), (0.8, 1.25, 0)),
    "hand": ("forearm", (0.8, 1.25, 0), (0.9, 1.23, 0)),
    "thigh": (Role.PELVIS, (0.12, 0.85, 0), (0.14, 0.5, 0)),
    "shin": ("thigh", (0.14, 0.5, 0), (0.16, 0.1, 0)),
    "foot": ("shin", (0.16, 0.1, 0), (0.2, 0.03, 0.1)),
}


@pytest.fixture(scope="session")
def character() -> Character:
    """A box for each bone, stiffly skinned, under one picture of colour noise."""
    table: list[tuple[Role, str | Role | None, np.ndarray, np.ndarray]] = [
        (role, parent, np.array(head), np.array(tail)) for role, (parent, head, tail) in _MIDDLE.items()
    ]
    for side, sign in (("right", -1), ("left", 1)):
        for name, (parent, head, tail) in _LEFT.items():
            above = parent if isinstance(parent, Role) else Role(f"{side}_{parent}")
            table.append((Role(f"{side}_{name}"), above, np.array(head) * (sign, 1, 1), np.array(tail) * (sign, 1, 1)))
    roles = [role for role, *_ in table]
    rest, faces, part, weights = [], [], [], []
    for number, (_, _, head, tail) in enumerate(table):
        vertices, triangles = box(tuple(np.abs(tail - head) + 0.12))  # type: ignore[arg-type]
        faces.append(triangles + 24 * number)
        rest.append(vertices + (head + tail) / 2)
        part.append(np.full(len(triangles), number + 1))
        weights.append(np.tile(np.eye(len(table), dtype=np.float32)[number], (24, 1)))
    points, corners = np.concatenate(rest), np.concatenate(faces)
    uv = (np.stack([points[:, 0] + 1, 1.9 - points[:, 1]], axis=1) / 2).astype(np.float32)
    bones = tuple(
        Bone(role, roles.index(parent) if parent else -1, tuple(head.tolist()), tuple(tail.tolist()), role)  # type: ignore[arg-type]
        for role, parent, head, tail in table
    )
    texture = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.float32) / 255
    return Character(
        bones, points, corners, np.concatenate(part).astype(np.uint16), np.concatenate(weights), uv[corners], texture,
        0.01, (100, 190),
    )  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path, character: Character) -> Layout:
    """A project with the characters `boxer` and `twin`."""
    layout = Layout.of(str(tmp_path / "root"))
    for name in ("boxer", "twin"):
        character.save(f"{layout.character(name)}/v1")
        Path(layout.character(name), "current.json").write_text(json.dumps({"id": "v1"}))
    return layout
