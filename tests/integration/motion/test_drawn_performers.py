"""Real drawings perform captured and built-in motions: a biped with a belly, six arms, four legs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.character.build import build_character
from osf_pipeline.character.character import Character, Role
from osf_pipeline.drawing import skeleton
from osf_pipeline.drawing.drawing import analyse
from osf_pipeline.drawing.mask import read_mask
from osf_pipeline.drawing.picture import read_picture
from osf_pipeline.motion.clearance import penetration
from osf_pipeline.motion.clip import Performance
from osf_pipeline.motion.contact import skate, stance
from osf_pipeline.motion.library import motion
from osf_pipeline.motion.names import landmarks
from osf_pipeline.motion.retarget import SEGMENTS, retarget
from osf_pipeline.motion.rotations import unit

pytestmark = [pytest.mark.integration, pytest.mark.data]
FPS = 30


@pytest.fixture(scope="module", params=["char1", "char5", "char6"])
def performer(request: pytest.FixtureRequest, shared_data: Path) -> Character:
    folder = shared_data / "drawings" / request.param
    picture = read_picture(str(folder / "texture.png"))
    figure = read_mask(str(folder / "mask.png"), picture)
    joints = skeleton.read(str(folder / "char_cfg.yaml"), picture.rgb.shape[:2])
    return build_character(analyse(picture, figure, joints))[0]


def jerk(performance: Performance) -> float:
    return float(np.linalg.norm(np.diff(performance.position, n=2, axis=0), axis=2).max())


@pytest.mark.parametrize("name", ["walk", "cross_arms", "jump", "dab"])
def test_a_performance_is_joined_clear_and_grounded(performer: Character, shared_data: Path, name: str) -> None:
    clip = motion(name, str(shared_data / "motions"))
    plain, played = (retarget(clip, performer, fps=FPS, correct=correct) for correct in (False, True))
    for number, bone in enumerate(performer.bones):
        if bone.parent >= 0:
            offset = performer.heads[number] - performer.heads[bone.parent]
            carried = played.position[:, bone.parent] + played.rotation[:, bone.parent] @ offset
            np.testing.assert_allclose(
                played.position[:, number], carried, atol=1e-4 * max(np.linalg.norm(offset), 0.1)
            )
    assert penetration(performer, played).max() < 0.01
    assert jerk(played) < 1.3 * jerk(plain) + 0.05
    for row in range(0, len(played.position), 9):
        assert performer.posed(played.rotation[row], played.position[row])[:, 1].min() > -0.01
    if clip.fps == FPS and any(bone.role is Role.LEFT_UPPER_ARM for bone in performer.bones):
        stand = stance(landmarks(clip), FPS)
        assert skate(performer, played, stand) < min(0.06, skate(performer, plain, stand))


def test_limbs_take_the_captured_directions(performer: Character, shared_data: Path) -> None:
    clip = motion("dab", str(shared_data / "motions"))
    played = retarget(clip, performer, fps=FPS, correct=False, facing="source")
    marks = landmarks(clip)
    roles = [bone.role for bone in performer.bones]
    for role in set(roles) & set(SEGMENTS):
        if roles.count(role) == 1 and role is not Role.HEAD:
            bone = roles.index(role)
            drawn = unit(np.subtract(performer.bones[bone].tail, performer.bones[bone].head))
            start, end = SEGMENTS[role]
            cosine = np.einsum("ti,ti->t", played.rotation[:, bone] @ drawn, unit(marks[end] - marks[start]))
            assert np.arccos(np.clip(cosine, -1, 1)).max() < 1e-3, role
