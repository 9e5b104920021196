"""Held drawings are put together by depth, to the pixel."""

from __future__ import annotations

import numpy as np

from osf_pipeline.stylize.hold import BACKDROP, Finished, composite

SIZE = (12, 24)
NEAR, FAR, GROUND = 1, 2, 3


def finished(
    near: slice | None, far: slice | None, tone: float = 1, *, ground: bool = False, backdrop: bool = False
) -> Finished:
    """Bars over all rows but the outer ones; colours tell object and frame apart: red, green, blue times `tone`."""
    ids, depth = np.zeros(SIZE, int), np.full(SIZE, np.inf)
    for where, number, distance in ((slice(None) if ground else None, GROUND, 9.0), (far, FAR, 5.0), (near, NEAR, 2.0)):
        if where is not None:
            ids[2:10, where], depth[2:10, where] = number, distance
    fill = np.zeros((4, *SIZE), np.float16)
    for number in (NEAR, FAR, GROUND):
        fill[number - 1][ids == number] = tone
    fill[3] = ids > 0
    if backdrop:
        fill[3] = 1
    line = np.zeros((4, *SIZE), np.float16)
    line[3] = (ids > 0) & (ids != GROUND) & (np.roll(ids, 1, axis=1) != ids)
    beauty = line + fill * (1 - line[3:])
    layers = {"fill": fill, "line": line, "beauty": beauty, "confidence": np.full((1, *SIZE), tone, np.float16)}
    return Finished(layers, ids, depth)


def objects_in(layers: dict[str, np.ndarray]) -> list[str]:
    """A letter for each column of the middle row: n, f, g in the present, N, F, G in the held frame; . is nothing."""
    fill = layers["fill"][:, 6].astype(float)
    letters = []
    for column in fill.T:
        strongest = int(column[:3].argmax())
        letters.append("." if column[:3].max() == 0 else ("nfg" if column[strongest] == 1 else "NFG")[strongest])
    return letters


def test_a_drawing_put_together_from_itself_keeps_every_bit() -> None:
    rng = np.random.default_rng(0)
    frame = finished(slice(6, 12), slice(10, 18))
    for name, values in frame.layers.items():
        values[:] = np.where(values > 0, rng.uniform(0.2, 1, values.shape), 0) if name != "confidence" else 0.5
    found = composite(frame, [(frame, [FAR, BACKDROP]), (frame, [NEAR])])
    for name in ("fill", "line", "confidence"):
        np.testing.assert_array_equal(found[name], frame.layers[name], name)
    np.testing.assert_allclose(
        found["beauty"], found["line"] + found["fill"] * (1 - found["line"][3:]), atol=2e-3, rtol=2e-3
    )


def test_the_nearer_object_covers_the_farther_whichever_is_held() -> None:
    now, before = finished(slice(8, 14), slice(12, 20)), finished(slice(5, 11), slice(9, 17), 0.5)
    held_near = composite(now, [(before, [NEAR]), (now, [FAR, BACKDROP])])
    assert "".join(objects_in(held_near)) == ".....NNNNNNFFFffffff....", "the gap shows what its own frame had behind"
    held_far = composite(now, [(before, [FAR]), (now, [NEAR, BACKDROP])])
    assert "".join(objects_in(held_far)) == "........nnnnnnFFF......."


def test_background_comes_to_light_where_a_held_object_is_not_yet() -> None:
    """Near moves right by 3, held: what it stands on now and not in its drawing is ground of the drawing's frame."""
    now, before = finished(slice(8, 14), None, ground=True), finished(slice(5, 11), None, 0.5, ground=True)
    found = composite(now, [(before, [NEAR]), (now, [GROUND, BACKDROP])])
    assert "".join(objects_in(found)) == "gggggNNNNNNGGGgggggggggg"


def test_without_anything_behind_it_stays_empty() -> None:
    now, before = finished(slice(8, 14), None), finished(slice(5, 11), None, 0.5)
    found = composite(now, [(before, [NEAR]), (now, [FAR, BACKDROP])])
    assert "".join(objects_in(found)) == ".....NNNNNN............."
    assert found["confidence"][0, 6].tolist() == [1] * 5 + [0.5] * 6 + [1] * 13


def test_an_opaque_backdrop_lies_behind_everything() -> None:
    now, before = finished(slice(8, 14), None, backdrop=True), finished(slice(5, 11), None, 0.5, backdrop=True)
    found = composite(now, [(before, [NEAR]), (now, [FAR, BACKDROP])])
    assert (found["fill"][3] == 1).all(), "no hole, before or behind the figure"
    assert "".join(objects_in(found)) == ".....NNNNNN............."


def test_lines_beside_an_object_go_with_it_and_hide_behind_others() -> None:
    now, before = finished(slice(10, 14), slice(2, 6)), finished(slice(10, 14), slice(8, 12), 0.5)
    for frame, column in ((now, 6), (before, 12)):
        frame.layers["line"][3, 2:10, column] = 0.25 if frame is before else 0.75
    held = composite(now, [(before, [FAR]), (now, [NEAR, BACKDROP])])
    alpha = held["line"][3, 6]
    assert alpha[8] == 1, "the held object's own line"
    assert alpha[12] == 0, "its far line is the near object's pixel in its own frame and is not taken along"
    assert alpha[6] == 0, "the present drawing of the held object is gone, with the line beside it"
    assert alpha[10] == 1
