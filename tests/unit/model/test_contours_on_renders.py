"""The contour rule on real renders, against reference lines drawn from the same scenes by another rule."""

import numpy as np
import OpenEXR
import pytest
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt

from model.contours import contours, estimate_pixel, rule_for

pytestmark = pytest.mark.data

BOX = np.array([[-0.564, -0.2344, -0.7036], [0.566, 0.2344, 0.6235]], np.float32)
STROKE, TOLERANCE = 8.79, 1.5


def buffers(path) -> dict[str, torch.Tensor]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        found = {name.split(".", 1)[1]: channel.pixels.astype(np.float32) for name, channel in file.channels().items()}
    part = found["PartID.X"]
    rest = np.stack([found[f"RestPos.{c}"] for c in "RGB"])
    normal = np.stack([found["Normal.X"], found["Normal.Z"], -found["Normal.Y"]])
    arrays = {
        "depth": np.where(part > 0, found["Depth.Z"], np.inf)[None],
        "rest": np.where(part > 0, BOX[0, :, None, None] + rest * (BOX[1] - BOX[0])[:, None, None], 0),
        "normal": normal,
        "part": part[None].astype(np.int32),
    }
    return {name: torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))[None] for name, array in arrays.items()}


def test_lines_on_crossing_limbs_agree_with_the_reference(shared_data):
    folder = shared_data / "renders" / "char1_zombie"
    rule = rule_for(2 / 512, float((BOX[1] - BOX[0]).max()))
    hit, total = np.zeros((2, 2)), np.zeros((2, 2))  # recall and precision, by inner and silhouette
    for frame in range(1, 33, 4):
        g = buffers(folder / f"frame_{frame:04d}.exr")
        assert estimate_pixel(g["rest"], g["normal"], g["part"]) == pytest.approx(2 / 512, rel=0.05)
        found = contours(g["depth"], g["rest"], g["normal"], g["part"], g["part"].clamp(max=1), rule)
        line = (found.side & (found.distance < STROKE + 0.5))[0, 0].numpy()
        reference = np.array(Image.open(folder / "ref" / f"frame_{frame:04d}_contour.png")) > 127
        mask = g["part"][0, 0].numpy() > 0
        inner = distance_transform_edt(mask) > STROKE + 3
        for i, (lines, others) in enumerate(((reference, line), (line, reference))):
            near = distance_transform_edt(~others) <= TOLERANCE
            for j, zone in enumerate((inner, mask & ~inner)):
                hit[i, j] += (lines & near & zone).sum()
                total[i, j] += (lines & zone).sum()
    (recall, recall_rim), (precision, precision_rim) = hit / total
    # Where limbs nearly touch, the reference draws both sides of the gap; here the nearer one has the line.
    assert recall > 0.84
    assert precision > 0.96
    assert recall_rim > 0.98
    assert precision_rim > 0.99
