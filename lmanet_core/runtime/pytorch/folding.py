"""Folding of batch normalisations into the convolutions before them."""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(model: nn.Module) -> None:
    """Make each normalisation that follows a convolution a part of that convolution, in place.

    The outputs stay the same but for rounding; the model can no longer be trained. A module says
    what can be folded: `norms_after_convolutions` are pairs of names of its attributes, a
    convolution and the batch normalisation that takes nothing but its output. In an
    `nn.Sequential` those are the neighbours.

    Args:
        model: a network in eval mode.
    """
    for module in model.modules():
        for conv_name, norm_name in _foldable(module):
            conv, norm = getattr(module, conv_name), getattr(module, norm_name)
            transposed = isinstance(conv, nn.ConvTranspose2d)
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm, transposed))
            setattr(module, norm_name, nn.Identity())


def _foldable(module: nn.Module) -> list[tuple[str, str]]:
    if not isinstance(module, nn.Sequential):
        return list(getattr(module, "norms_after_convolutions", ()))
    return [
        (conv_name, norm_name)
        for (conv_name, conv), (norm_name, norm) in pairwise(module.named_children())
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]
