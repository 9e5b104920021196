"""The project's own drawing is a sound figure, and its files are what a user would bring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from osf_pipeline.drawing import skeleton as joints
from osf_pipeline.drawing.folder import DrawingFolder
from osf_pipeline.sample import fox
from osf_pipeline.sample.original import original, write_original


def test_the_fox_is_one_figure_with_its_joints_inside() -> None:
    art = original()
    assert art.size == (fox.WIDTH, fox.HEIGHT)
    assert ndimage.label(art.mask)[1] == 1
    assert (ndimage.binary_fill_holes(art.mask) == art.mask).all()
    assert joints.findings(art.skeleton, art.mask) == ()
    assert len(art.skeleton.joints) == 16
    margin = np.concatenate([art.mask[:40].ravel(), art.mask[-40:].ravel(), art.mask[:, :60].ravel()])
    assert not margin.any()


def test_it_is_painted_not_plain() -> None:
    """Many colours, lines within the figure, an outline of uneven breadth."""
    art = original()
    inner = art.fill[ndimage.binary_erosion(art.mask, iterations=15)]
    assert len(np.unique((inner * 7).astype(int), axis=0)) > 40
    assert (inner.max(axis=1) < 0.3).mean() > 0.03
    inside = ndimage.distance_transform_edt(art.mask)
    line = art.line()[3]
    breadth = [line[max(y - 40, 0) : y + 40][inside[max(y - 40, 0) : y + 40] > 0].sum() for y in range(200, 1100, 100)]
    assert np.std(breadth) > 0.05 * np.mean(breadth)


def test_files_hold_the_scan_and_the_joints_but_no_mask(tmp_path: Path) -> None:
    write_original(str(tmp_path / "fox"))
    assert sorted(path.name for path in (tmp_path / "fox").iterdir()) == [
        "LICENSE.txt", "char_cfg.yaml", "character.yaml", "drawing.png",
    ]  # fmt: skip
    picture = np.asarray(Image.open(tmp_path / "fox" / "drawing.png"))
    assert picture.shape == (fox.HEIGHT, fox.WIDTH, 3)
    paper = picture[:30].reshape(-1, 3)
    assert paper.min() > 200
    assert paper.std() > 0.5
    read = joints.read(str(tmp_path / "fox" / "char_cfg.yaml"), picture.shape[:2])
    assert read == original().skeleton
    assert "CC0" in (tmp_path / "fox" / "LICENSE.txt").read_text()
    assert DrawingFolder.at(str(tmp_path / "fox")).config.license == "CC0-1.0"


def test_a_limb_mirrors_onto_the_other_side() -> None:
    assert fox.mirrored(((1, 2, 0.5), (10, 20, 1))) == ((990, 20, 1), (999, 2, 0.5))
