"""What the memory asks of a single-frame network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import nn

from lmanet_core.models.erfnet import ERFNet


class Backbone(Protocol):
    """A single-frame segmentation network, split where the memory goes in.

    Image sides must be multiples of `stride`; any normalisation that the network wants is the
    encoder's own.
    """

    @property
    def feature_channels(self) -> int:
        """C, channels between encoder and decoder."""

    @property
    def stride(self) -> int:
        """Input pixels per feature cell."""

    @property
    def encoder(self) -> nn.Module:
        """(B, 3, H, W) RGB in 0..1 -> (B, C, H / stride, W / stride)."""

    @property
    def decoder(self) -> nn.Module:
        """(B, C, H / stride, W / stride) -> (B, num_classes, H, W) logits."""


BACKBONES: Mapping[str, Callable[[int], Backbone]] = {"erfnet": ERFNet}
"""Registered single-frame networks: name -> constructor from the number of classes."""
