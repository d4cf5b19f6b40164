"""What the memory asks of a single-frame network, and the networks that are there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from torch import nn

from lmanet_core.models.efficientnet_lite import LITE2, EfficientNetLiteSegmenter
from lmanet_core.models.erfnet import ERFNet
from lmanet_core.models.pspnet import PSPNet
from lmanet_core.network.size_rule import SizeRule
from lmanet_core.program.registry import Registry


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
        """(B, 3, H, W) RGB in 0..1 -> (B, C, ceil(H / stride), ceil(W / stride)).

        For the fusion 'residual' the features must not be negative, which `LMANet` checks.
        """

    @property
    def decoder(self) -> nn.Module:
        """(B, C, ceil(H / stride), ceil(W / stride)) -> (B, num_classes, H, W) logits.

        One that ends in a bilinear resize is an `EnlargingDecoder`: labels are then made without.
        """


BACKBONES: Registry[Callable[[int], Backbone]] = Registry(
    "backbone",
    "lmanet.backbones",
    {
        "efficientnet_lite0": EfficientNetLiteSegmenter,
        "efficientnet_lite2": partial(EfficientNetLiteSegmenter, shapes=LITE2),
        "erfnet": ERFNet,
        "pspnet50": partial(PSPNet, layers=50),
        "pspnet101": partial(PSPNet, layers=101),
        "segformer_b0": "lmanet_core.models.segformer:SegFormer",
    },
)
"""Single-frame networks by name: functions that make one with a number of classes."""
