"""A small drawn figure: a body and two arms, flat fill, a dark line inside its outline."""

import numpy as np
import pytest
from scipy import ndimage

SIZE = 96
STROKE = 5


def _keyframe(ids=(1, 2, 3), ink=(0.1, 0.05, 0.3)):
    """Canonical buffers and drawing; `ids` number body, left and right arm."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    part = np.zeros((SIZE, SIZE), np.uint16)
    part[(np.abs(y - 34) < 6) & (x > 6) & (x < 40)] = ids[1]
    part[(np.abs(y - 34) < 6) & (x > 56) & (x < 90)] = ids[2]
    part[((x - 48) / 17) ** 2 + ((y - 48) / 32) ** 2 < 1] = ids[0]
    seen = part > 0
    inside = ndimage.distance_transform_edt(seen)
    alpha = np.clip(inside, 0, 1).astype(np.float32)
    fill = np.array([0.8, 0.7, 0.5], np.float32)[:, None, None]
    linear = ((fill + 0.055) / 1.055) ** 2.4
    line = (seen & (inside <= STROKE))[None]
    drawing = np.where(line, np.array(ink, np.float32)[:, None, None], fill)
    pixel = 0.01
    buffers = {
        "color": np.concatenate([linear * alpha, alpha[None]]).astype(np.float16),
        "depth": np.where(seen, 5 - 0.002 * np.minimum(inside, 12), np.inf).astype(np.float32)[None],
        "normal": np.stack([0 * alpha, 0 * alpha, alpha]).astype(np.float16),
        "rest_position": (np.stack([x, -y, 0 * x]) * pixel * seen).astype(np.float32),
        "part_id": part[None],
        "object_id": seen[None].astype(np.uint16),
    }
    return buffers, np.concatenate([drawing * seen, seen[None]]).astype(np.float32)


@pytest.fixture(scope="session")
def make_keyframe():
    """The maker: `make_keyframe(ids, ink)`."""
    return _keyframe


@pytest.fixture
def keyframe():
    return _keyframe()
