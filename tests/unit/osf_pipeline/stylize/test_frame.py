from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from model.color import srgb_decode
from model.strokes import FINE, Stroke, Strokes
from model.stylizer import Architecture
from model.stylizer import Stylizer as Network
from model.weights import Card
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES, Space, convert
from osf_pipeline.errors import InputDataError
from osf_pipeline.stylize.frame import MATTE_FLOOR, Stylizer
from osf_pipeline.stylize.look import Look


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stylizer(
    tile: int = 512, tier: str = "full", space: Space = LINEAR_REC709, network_space: Space = LINEAR_REC709
) -> Stylizer:
    """A network with random weights and lively norms: it draws something everywhere it may."""
    torch.manual_seed(0)
    net = Network(Architecture(blocks=1, rows=50, reach=6))
    torch.nn.init.normal_(net.head.weight, std=0.2)
    for _ in range(3):
        net(torch.rand(2, 10, 32, 32))
    net.head.bias.data[3] = 0.4
    net.strokes.values.uniform_(0, 1)
    net.strokes.rest.uniform_(0, 1)
    net.strokes.loop[:] = torch.tensor([0, 50])
    card = Card(net.architecture, 5.0, 0.01, ((0, 0, 0), (1, 1, 1)), "CC0-1.0", 0, {}, tier)
    card = replace(card, color_space=network_space.attributes)
    return Stylizer(net.eval(), card, tile, space=space)


def frame(height: int = 120, width: int = 136, top: int = 40, left: int = 50) -> dict[str, np.ndarray]:
    """A 40x36 block with HDR and negative colours on background."""
    seen = np.zeros((height, width), bool)
    seen[top : top + 40, left : left + 36] = True
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    color = np.zeros((4, height, width), np.float16)
    color[:3, seen] = rng.normal(0.5, 2, (3, seen.sum()))
    color[3, seen] = 1
    distance = np.where(seen, ndimage.distance_transform_edt(seen) - 1, ndimage.distance_transform_edt(~seen))
    return {
        "color": color,
        "contour": np.minimum(distance, 32).astype(np.float16)[None],
        "contour_side": seen[None].astype(np.uint8),
        "contour_step": np.ones((1, height, width), np.float16),
        "confidence": np.ones((1, height, width), np.float16),
        "rest_position": np.stack([seen * x / width, seen * y / height, 0.0 * x]).astype(np.float32),
    }


def crop(values: dict[str, np.ndarray], rows: slice, columns: slice) -> dict[str, np.ndarray]:
    return {name: array[:, rows, columns] for name, array in values.items()}


def test_layers_are_canonical():
    layers = stylizer()(frame())
    assert {name: (a.shape[0], a.dtype) for name, a in layers.items()} == {
        "fill": (4, np.float16), "line": (4, np.float16), "beauty": (4, np.float16), "confidence": (1, np.float16),
    }  # fmt: skip


def test_fill_is_the_render_to_the_last_bit():
    source = frame()
    assert source["color"].min() < 0 < 1 < source["color"].max()
    assert (stylizer()(source)["fill"].view(np.uint16) == source["color"].view(np.uint16)).all()


def test_beauty_is_line_over_fill():
    layers = {k: v.astype(np.float32) for k, v in stylizer()(frame()).items()}
    np.testing.assert_allclose(
        layers["beauty"], layers["line"] + layers["fill"] * (1 - layers["line"][3:]), atol=4e-3, rtol=2e-3
    )
    assert layers["line"][3].mean() > 0.05


def test_line_may_leave_the_silhouette_but_not_the_reach_of_contours():
    source = frame()
    alpha = stylizer()(source)["line"][3]
    outside = source["color"][3] == 0
    assert (alpha[outside & (source["contour"][0] < 8)] > 0).any()
    assert (alpha[outside & (source["contour"][0] >= 32)] == 0).all()


def test_matte_is_clean():
    alpha = stylizer()(frame())["line"][3]
    assert ((alpha == 0) | (alpha >= MATTE_FLOOR * 0.99)).all()


@pytest.mark.parametrize("tile", [32, 48, 64])
def test_tiles_do_not_show(tile):
    whole, tiled = stylizer()(frame()), stylizer(tile)(frame())
    for name in whole:
        assert (whole[name].view(np.uint16) == tiled[name].view(np.uint16)).all(), name


def test_result_does_not_depend_on_the_window():
    """A crop that keeps the figure and its surroundings gives the same bits, given where it lies in the display."""
    whole = stylizer()(frame())
    rows, columns = slice(3, 117), slice(5, 131)
    part = stylizer()(crop(frame(), rows, columns), origin=(5, 3))
    for name, values in crop(whole, rows, columns).items():
        assert (values.view(np.uint16) == part[name].view(np.uint16)).all(), name


def test_only_a_model_of_the_full_tier_needs_rest_positions():
    source = frame()
    informed = stylizer()(source)
    del source["rest_position"]
    plain = stylizer(tier="estimated")(source)
    assert (plain["line"] != informed["line"]).any()
    with pytest.raises(InputDataError, match="rest_position"):
        stylizer()(source)


def scenes(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """One scene in Rec. 709 and, rounded to half as a store would, in another space."""
    source, space = frame(), SPACES[name]
    rng = np.random.default_rng(1)
    source["color"][:3] = (rng.uniform(0, 1.5, source["color"][:3].shape) * source["color"][3]).astype(np.float16)
    other = convert(source["color"], LINEAR_REC709, space).astype(np.float16)
    return source, source | {"color": other}


@pytest.mark.parametrize("name", ["acescg", "aces2065-1", "linear-rec2020"])
def test_layers_are_the_same_colours_whatever_the_primaries(name):
    source, other = scenes(name)
    plain = stylizer()(source)
    drawn = stylizer(space=SPACES[name])(other)
    assert plain["line"][3].mean() > 0.05
    # Beside the floor of the matte the last bit decides whether there is any line.
    sure = np.abs(plain["line"][3] - MATTE_FLOOR) > 1e-3
    for layer in ("line", "beauty", "fill"):
        back = convert(drawn[layer], SPACES[name], LINEAR_REC709)
        # A unit in the last place of a half below 2 is 1e-3; the matrix to Rec. 709 at most quadruples it.
        np.testing.assert_allclose(back[:, sure], plain[layer].astype(np.float32)[:, sure], atol=4e-3, err_msg=layer)
    assert np.abs(drawn["line"].astype(np.float32) - plain["line"])[:3].max() > 0.02, "the spaces do differ"


def test_pixels_without_line_keep_every_bit_in_any_space():
    _, source = scenes("acescg")
    sparing = stylizer(space=SPACES["acescg"])
    sparing.network.head.bias[3] -= 0.7
    layers = sparing(source)
    assert (layers["line"][3] > 0.5).any()
    assert (layers["fill"].view(np.uint16) == source["color"].view(np.uint16)).all()
    bare = layers["line"][3] == 0
    assert (bare & (source["color"][3] > 0)).any()
    assert (layers["beauty"].view(np.uint16)[:, bare] == source["color"].view(np.uint16)[:, bare]).all()


def test_tiles_do_not_show_in_other_spaces():
    _, source = scenes("acescg")
    whole, tiled = (stylizer(tile, space=SPACES["acescg"])(source) for tile in (512, 32))
    for name in whole:
        assert (whole[name].view(np.uint16) == tiled[name].view(np.uint16)).all(), name


@pytest.mark.parametrize("store", ["linear-rec709", "acescg"])
def test_the_line_is_drawn_in_the_primaries_of_the_card(store):
    """Neutral colour has the same numbers in all spaces, so one network draws the same numbers in all."""
    source, space, wide = frame(), SPACES[store], SPACES["acescg"]
    source["color"][:3] = source["color"][:1]
    plain = stylizer()(source)["line"].astype(np.float32)
    drawn = stylizer(space=space, network_space=wide)(source)["line"]
    # Half a unit in the last place of a half below 2 is 5e-4.
    np.testing.assert_allclose(convert(drawn, space, wide), plain, atol=1e-3)
    assert (np.abs(drawn - plain).max() > 0.02) == (store != "acescg"), "the primaries do differ"


def seen_green(network_space: Space) -> np.ndarray:
    """(3,) what a network sees of an ACEScg green that is negative in Rec. 709, back in scene-linear light."""
    source = frame()
    source["color"][:3] = source["color"][3:] * np.array([0.05, 0.8, 0.05], np.float16)[:, None, None]
    drawing, views = stylizer(space=SPACES["acescg"], network_space=network_space), []
    drawing.network.register_forward_pre_hook(lambda _, inputs: views.append(inputs[0]))
    drawing(source)
    (view,) = views
    return srgb_decode(view[0, :3, view[0, 3] == 1]).amax(1).numpy()


def test_a_wide_gamut_colour_is_clipped_in_rec709_but_not_in_its_own_space():
    green = np.array([0.05, 0.8, 0.05], np.float16)
    assert seen_green(LINEAR_REC709)[0] == 0
    np.testing.assert_allclose(seen_green(SPACES["acescg"]), green, rtol=1e-5)


def test_odd_sizes_and_negative_origins_are_fine():
    layers = stylizer(32)(frame(101, 93), origin=(-7, -13))
    assert layers["beauty"].shape == (4, 101, 93)
    assert layers["line"][3].max() > 0


def test_an_empty_frame_stays_empty():
    empty = frame()
    empty["color"][:], empty["contour"][:], empty["contour_side"][:] = 0, 32, 0
    layers = stylizer()(empty)
    assert not layers["line"].any()
    assert not layers["beauty"].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("contour"), "lacks buffers"),
        (lambda f: f.update(contour=f["contour"][:, 1:]), "differ in size"),
        (lambda f: f["color"].__setitem__((0, 50, 60), np.inf), "not finite"),
    ],
)
def test_wrong_frames_are_refused(change, message):
    source = frame()
    change(source)
    with pytest.raises(InputDataError, match=message):
        stylizer()(source)


TURNED = Look.model_validate(
    {
        "strength": 0.8,
        "occlusion": 0.5,
        "line": {"width": 1.7, "lock": "character", "threshold": 0.4, "crispness": 3},
        "parts": {2: {"strength": 0.3, "line": {"color": "#802010", "width": 0.6, "lock": "screen"}}},
        "post": [
            {"step": "sharpen"},
            {"step": "match", "matrix": [[0.9, 0, 0, 0.1], [0, 1, 0, 0], [0, 0.2, 0.8, 0]]},
            {"step": "match", "to": "fill", "amount": 0.5},
            {"step": "smooth", "radius": 2},
        ],
    }
)


def posed(**size: int) -> dict[str, np.ndarray]:
    """The frame with two parts and an object, drawn at about 1.2 times the keyframe's size."""
    source = frame(**size)
    seen = source["contour_side"]
    part = seen.astype(np.uint16)
    part[:, :, 60:] *= 2
    y, x = np.mgrid[: seen.shape[1], : seen.shape[2]]
    return source | {
        "part_id": part,
        "object_id": seen.astype(np.uint16),
        "rest_position": (0.0083 * np.stack([x, y, 0 * x]) * seen).astype(np.float32),
    }


def test_an_empty_look_changes_no_bit():
    plain, empty = stylizer()(frame()), stylizer()(frame(), look=Look())
    for name in plain:
        assert (plain[name].view(np.uint16) == empty[name].view(np.uint16)).all(), name


@pytest.mark.parametrize(("tile", "width"), [(32, 1.7), (64, 1.7), (32, 8)])
def test_tiles_do_not_show_under_a_look(tile, width):
    look = Look.model_validate(TURNED.to_json() | {"line": TURNED.to_json()["line"] | {"width": width}})
    whole, tiled = stylizer()(posed(), look=look), stylizer(tile)(posed(), look=look)
    assert (whole["line"] != stylizer()(posed())["line"]).any()
    for name in whole:
        assert (whole[name].view(np.uint16) == tiled[name].view(np.uint16)).all(), name


def test_the_window_does_not_matter_under_a_look():
    whole = stylizer()(posed(), look=TURNED)
    rows, columns = slice(3, 117), slice(5, 131)
    part = stylizer()(crop(posed(), rows, columns), origin=(5, 3), look=TURNED)
    for name, values in crop(whole, rows, columns).items():
        assert (values.view(np.uint16) == part[name].view(np.uint16)).all(), name


def test_strength_mixes_the_styled_picture_with_the_render():
    source = frame()
    source["color"][:3] = source["color"][:3].clip(0, 2)
    full, half, none = (stylizer()(source, look=Look(strength=s)) for s in (1, 0.25, 0))
    mixed = 0.25 * full["beauty"].astype(np.float32) + 0.75 * source["color"].astype(np.float32)
    np.testing.assert_allclose(half["beauty"], mixed, atol=2e-3)
    np.testing.assert_allclose(half["line"], 0.25 * full["line"].astype(np.float32), atol=1e-3)
    assert (none["beauty"].view(np.uint16) == source["color"].view(np.uint16)).all()
    assert not none["line"].any()


def test_beauty_is_line_over_fill_under_a_look():
    source = posed()
    source["color"][:3] = source["color"][:3].clip(0, 2)
    layers = {k: v.astype(np.float32) for k, v in stylizer()(source, look=TURNED).items()}
    assert np.abs(layers["fill"] - source["color"]).max() > 0.02
    np.testing.assert_array_equal(layers["fill"][3], source["color"][3])
    np.testing.assert_allclose(
        layers["beauty"], layers["line"] + layers["fill"] * (1 - layers["line"][3:]), atol=4e-3, rtol=2e-3
    )


def test_at_strength_zero_even_a_changed_fill_is_the_render():
    source = posed()
    look = TURNED.model_copy(update={"strength": 0.0, "parts": {}})
    layers = stylizer()(source, look=look)
    np.testing.assert_allclose(layers["fill"].astype(np.float32), source["color"], atol=1e-2, rtol=2e-3)


def plain_stylizer(stroke: int) -> Stylizer:
    """An untrained network, which draws its one plain row along every contour."""
    torch.manual_seed(0)
    row = torch.zeros(1, 16 * FINE + 1, 4)
    row[:, 8 * FINE : (8 + stroke) * FINE + 1] = torch.tensor([0.1, 0.1, 0.1, 1])
    strokes = Strokes.of([Stroke(row, torch.zeros(1, 3))], 0.01)
    net = Network(Architecture(width=8, blocks=1, rows=1, reach=8))
    net.strokes = strokes
    return Stylizer(net.eval(), Card(net.architecture, float(stroke), 0.01, ((0, 0, 0), (1, 1, 1)), "CC0-1.0", 0, {}))


@pytest.mark.parametrize("factor", [0.5, 1, 2])
def test_the_line_is_as_broad_as_asked(factor):
    source = posed()
    inside = source["contour_side"] > 0
    source["contour"] = np.where(inside, source["contour"] + 0.5, np.maximum(source["contour"] - 0.5, 0))
    source["part_id"][:] = inside * (1 + (np.arange(inside.shape[2]) >= 68))
    alone = {"line": {"width": factor}}
    for look, expected in ((alone, (factor, factor)), ({"parts": {2: alone}}, (1, factor))):
        alpha = plain_stylizer(6)(source, look=Look.model_validate(look))["line"][3]
        for column, ratio in zip((66, 70), expected, strict=True):
            assert (alpha[40:60, column] > 0.5).sum() == pytest.approx(6.5 * ratio, abs=1)
            assert alpha[40, column] > 0.8, "the contour is whole"


def test_a_line_tapers_with_the_step_as_far_as_the_look_lets_it():
    source = posed()
    closing = source | {"contour_step": np.zeros_like(source["contour_step"])}
    half = source | {"contour_step": np.full_like(source["contour_step"], 0.5)}
    drawn = plain_stylizer(6)

    def ink(frame: dict[str, np.ndarray], **keys: object) -> np.ndarray:
        return drawn(frame, look=Look.model_validate(keys))["line"][3]

    full = ink(source)
    assert 0 < ink(closing).sum() < 0.5 * full.sum()
    assert (ink({k: v for k, v in closing.items() if k != "contour_step"}) == full).all()
    assert (ink(closing, line={"taper": 0}) == full).all()
    assert (ink(closing, line={"taper": 0.5}) == ink(half)).all()
    turned = ink(closing, parts={2: {"line": {"taper": 0}}})
    right, left = np.s_[50:70, 80:], np.s_[50:70, :56]
    assert (turned[right] == full[right]).all()
    assert (turned[left] == ink(closing)[left]).all()


def test_a_look_says_what_it_reads():
    with pytest.raises(InputDataError, match="part_id"):
        stylizer()(frame(), look=TURNED)
