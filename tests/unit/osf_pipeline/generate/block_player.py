"""A character of twelve faces, and the hand that draws it: generated sets in a blink."""

from __future__ import annotations

import numpy as np

from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.generate.plan import Cast
from osf_pipeline.generate.player import Player
from osf_pipeline.render.shapes import box
from osf_pipeline.sample.hand import Hand


def block(cast: Cast) -> Player:
    """Stands where the real maker stands; every seed gives another texture and ink."""
    noise = np.random.default_rng(cast.artwork)
    rest, faces = box((0.5, 1.8, 0.3))
    part = np.where(np.arange(len(faces)) % 2, 1, 2).astype(np.uint16)
    trunk = Bone("trunk", -1, (0, 0.9, 0), (0, 1.5, 0), Role.PELVIS)
    head = Bone("head", 0, (0, 1.5, 0), (0, 1.8, 0), Role.HEAD)
    character = Character(
        (trunk, head), rest + np.array([0, 0.9, 0]), faces, part,
        np.tile(np.array([1, 0], np.float32), (len(rest), 1)), noise.random((len(faces), 3, 2), np.float32),
        noise.uniform(0.4, 1, (8, 8, 3)).astype(np.float32), 0.02, (20, 99),
    )  # fmt: skip
    mask = np.zeros((120, 40), bool)
    mask[10:100, 8:33] = True
    ink = "#" + "".join(f"{value:02x}" for value in noise.integers(0, 90, 3).tolist())
    return Player(character, Hand(ink=ink, accent="#aa1111", accent_parts=(2,), seed=5), mask, "CC0-1.0")
