"""Folding of batch normalisations into the convolutions before them."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(model: nn.Module) -> None:
    """Make each normalisation that follows a convolution a part of that convolution, in place.

    The outputs stay the same but for rounding; the model can no longer be trained. A module says
    what can be folded: `norms_after_convolutions` are pairs of names of its attributes, a
    convolution and the batch normalisation that takes nothing but its output.

    Args:
        model: a network in eval mode.
    """
    for module in model.modules():
        for conv_name, norm_name in getattr(module, "norms_after_convolutions", ()):
            conv, norm = getattr(module, conv_name), getattr(module, norm_name)
            transposed = isinstance(conv, nn.ConvTranspose2d)
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm, transposed))
            setattr(module, norm_name, nn.Identity())
