import pytest
import torch

from model.perceptual import STLPIPS, feature_loss
from osf_pipeline import packaged
from osf_pipeline.errors import RequestError


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    image = torch.stack([x / 63, y / 63, ((x + y) % 16) / 15])[None]
    return image, image.flip(1)


@pytest.mark.parametrize(("backbone", "golden"), [("alex", 0.4287145), ("vgg", 0.3994507)])
def test_distance_equals_the_published_network(backbone, golden):
    # Goldens: the published implementation, run on the same two images.
    with torch.inference_mode():
        assert STLPIPS(packaged.stlpips_state(backbone))(*pair()).mean.item() == pytest.approx(golden, rel=1e-4)


def test_map_shows_where_and_averages_to_the_distance():
    x, _ = pair()
    y = x.clone()
    y[:, :, :24, :24] = 1 - y[:, :, :24, :24]
    net = STLPIPS(packaged.stlpips_state("alex"))
    with torch.inference_mode():
        distance = net(x.repeat(2, 1, 1, 1), torch.cat([y, x]))
    assert distance.map.shape == (2, 1, 64, 64)
    assert distance.map[0, 0, :24, :24].mean() > 5 * distance.map[0, 0, 40:, 40:].mean()
    assert distance.map[0].mean().item() == pytest.approx(distance.mean[0].item(), rel=0.2)
    assert distance.mean[1] == 0


def test_feature_loss_has_a_finite_gradient_on_flat_images():
    net = STLPIPS(packaged.stlpips_state("alex"))
    x = torch.zeros(1, 3, 64, 64, requires_grad=True)
    feature_loss(net, x, net.features(pair()[0], 2)).backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0


def test_changed_weights_are_refused(monkeypatch):
    packaged.stlpips_state.cache_clear()
    monkeypatch.setitem(packaged._SHA256, "alex", "0" * 64)
    with pytest.raises(RequestError, match="known ones"):
        packaged.stlpips_state("alex")
