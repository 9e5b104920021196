import json
from dataclasses import replace

import pytest
import torch

from model import weights
from model.stylizer import Architecture, Stylizer
from model.weights import Card


def make() -> tuple[Stylizer, Card]:
    torch.manual_seed(0)
    net = Stylizer(Architecture(width=8, blocks=1))
    net(torch.rand(1, 10, 16, 16))
    return net.eval(), Card(
        net.architecture, 6.5, 0.004, ((0.0, 0.0, 0.0), (1.0, 2.0, 1.0)), "CC0-1.0", 3, {"steps": 1}
    )


def test_round_trip_gives_the_same_lines(tmp_path):
    net, card = make()
    saved = weights.save(tmp_path, net, card)
    loaded, read = weights.load(tmp_path)
    assert read == saved
    assert len(read.sha256) == 64
    x = torch.rand(1, 10, 16, 16)
    with torch.inference_mode():
        assert torch.equal(loaded(x), net(x))


def test_equal_models_have_equal_bytes(tmp_path):
    first = weights.save(tmp_path / "a", *make())
    assert weights.save(tmp_path / "b", *make()).sha256 == first.sha256


def test_card_says_what_a_user_must_know(tmp_path):
    weights.save(tmp_path, *make())
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["architecture"]["inputs"][4] == "signed_contour"
    assert {"stroke", "tier", "receptive_radius", "pixel", "license", "seed", "recipe", "versions"} <= set(card)


def test_changed_weights_are_refused(tmp_path):
    weights.save(tmp_path, *make())
    data = bytearray((tmp_path / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "weights.safetensors").write_bytes(bytes(data))
    with pytest.raises(ValueError, match="sha256"):
        weights.load(tmp_path)


def test_the_space_of_the_network_is_kept(tmp_path):
    net, card = make()
    space = {"name": "acescg", "chromaticities": [0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767]}
    weights.save(tmp_path, net, replace(card, color_space=space))
    assert weights.load(tmp_path)[1].color_space == space


def test_other_formats_are_refused(tmp_path):
    weights.save(tmp_path, *make())
    path = tmp_path / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        weights.load(tmp_path)
