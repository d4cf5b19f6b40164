"""Pixel unshuffles as steps of the convolutions behind them."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

_POINTWISE = (1, 1), (1, 1), (0, 0), 1
"""Side, stride, padding and groups."""


def merge_pixel_unshuffles(model: nn.Module) -> None:
    """Make a pixel unshuffle and the 1x1 convolution behind it one of larger steps, in place.

    The outputs stay the same but for rounding.
    """
    for module in model.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for (name, unshuffle), (conv_name, conv) in pairwise(list(module.named_children())):
            if not (isinstance(unshuffle, nn.PixelUnshuffle) and isinstance(conv, nn.Conv2d)):
                continue
            if (conv.kernel_size, conv.stride, conv.padding, conv.groups) == _POINTWISE:
                setattr(module, name, nn.Identity())
                merged = _with_larger_steps(conv, unshuffle.downscale_factor)
                setattr(module, conv_name, merged)


def _with_larger_steps(conv: nn.Conv2d, side: int) -> nn.Conv2d:
    channels = conv.in_channels // side**2
    has_bias = conv.bias is not None
    merged = nn.Conv2d(channels, conv.out_channels, side, stride=side, bias=has_bias)
    merged.weight = nn.Parameter(conv.weight.reshape(merged.weight.shape))
    merged.bias = conv.bias
    return merged.requires_grad_(False)
