"""What the memory asks of a single-frame network, and the networks that are there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import Protocol

from torch import nn

from lmanet_core.models.efficientnet_lite import LITE2, EfficientNetLiteSegmenter
from lmanet_core.models.erfnet import ERFNet
from lmanet_core.models.pspnet import PSPNet
from lmanet_core.network.size_rule import SizeRule


class Backbone(Protocol):
    """A single-frame segmentation network, split where the memory goes in.

    Images have sides that `size_rule` allows; any normalisation that the network wants is the
    encoder's own.
    """

    @property
    def feature_channels(self) -> int:
        """C, channels between encoder and decoder."""

    @property
    def stride(self) -> int:
        """Input pixels per feature cell."""

    @property
    def size_rule(self) -> SizeRule:
        """Image sides that the network accepts."""

    @property
    def encoder(self) -> nn.Module:
        """(B, 3, H, W) RGB in 0..1 -> (B, C, ceil(H / stride), ceil(W / stride))."""

    @property
    def decoder(self) -> nn.Module:
        """(B, C, ceil(H / stride), ceil(W / stride)) -> (B, num_classes, H, W) logits.

        One that ends in a bilinear resize is an `EnlargingDecoder`: labels are then made without.
        """


def _segformer_b0(num_classes: int) -> Backbone:
    try:
        from lmanet_core.models.segformer import SegFormer
    except ImportError as error:
        raise ValueError(
            f"backbone 'segformer_b0' needs the package transformers ({error}); "
            "install it with: pip install transformers"
        ) from None
    return SegFormer(num_classes)


BackboneConstructor = Callable[[int], Backbone]
"""Makes a network with so many classes."""

BACKBONES: dict[str, BackboneConstructor] = {
    "efficientnet_lite0": EfficientNetLiteSegmenter,
    "efficientnet_lite2": partial(EfficientNetLiteSegmenter, shapes=LITE2),
    "erfnet": ERFNet,
    "pspnet50": partial(PSPNet, layers=50),
    "pspnet101": partial(PSPNet, layers=101),
    "segformer_b0": _segformer_b0,
}
"""Single-frame networks by name; add your own before you build or load a model with it."""

ENTRY_POINT_GROUP = "lmanet.backbones"
"""Where installed packages announce networks, found by every program that loads a checkpoint."""


def find_backbone(name: str) -> BackboneConstructor:
    """The constructor registered under a name in `BACKBONES` or by an installed package.

    Raises:
        ValueError: nothing is.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    announced = entry_points(group=ENTRY_POINT_GROUP)
    if name in announced.names:
        return announced[name].load()
    known = sorted({*BACKBONES, *announced.names})
    raise ValueError(f"backbone must be one of {known}, got {name!r}")
