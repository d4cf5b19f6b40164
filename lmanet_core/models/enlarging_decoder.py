"""Decoders that end in a bilinear resize, which whoever wants labels need not carry out."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional


class SmallLogits(NamedTuple):
    """Logits at the size at which a decoder makes them, and how they are to be enlarged."""

    values: Tensor
    """(B, num_classes, h, w)."""
    size: tuple[int, int]
    """(H, W), those of the image."""
    corners_aligned: bool
    """Whether corners of logits and image are at the same place; else their edges are."""

    def enlarge(self) -> Tensor:
        """(B, num_classes, H, W), bilinear."""
        if self.values.shape[2:] == self.size:
            return self.values
        return functional.interpolate(
            self.values, self.size, mode="bilinear", align_corners=self.corners_aligned
        )


class EnlargingDecoder(nn.Module):
    """(B, C, h, w) features -> (B, num_classes, H, W) logits, by `small_logits` and a resize.

    A decoder of that kind says what comes before the resize, and by how much that enlarges.

    Attributes:
        factor: pixels of the image for a step of the logits, along each side.
        corners_aligned: as in `SmallLogits`; then sides are `factor` (side - 1) + 1.
    """

    factor: int
    corners_aligned = False

    def small_logits(self, features: Tensor) -> Tensor:
        """Logits before they are resized."""
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        return logits_of(self, features).enlarge()


def logits_of(decoder: nn.Module, features: Tensor) -> SmallLogits:
    """A decoder's logits before the resize that it ends with, where it is known to end so.

    That is an `EnlargingDecoder`, or an `nn.Sequential` whose last module is a bilinear
    `nn.Upsample` by a whole factor.
    """
    if isinstance(decoder, EnlargingDecoder):
        logits = decoder.small_logits(features)
        edge = 1 if decoder.corners_aligned else 0
        height, width = (decoder.factor * (side - edge) + edge for side in logits.shape[2:])
        return SmallLogits(logits, (height, width), decoder.corners_aligned)
    if isinstance(decoder, nn.Sequential) and len(decoder) and _bilinear_factor(decoder[-1]):
        logits, factor = decoder[:-1](features), _bilinear_factor(decoder[-1])
        height, width = (factor * side for side in logits.shape[2:])
        return SmallLogits(logits, (height, width), bool(decoder[-1].align_corners))
    logits = decoder(features)
    return SmallLogits(logits, tuple(logits.shape[2:]), False)


def _bilinear_factor(module: nn.Module) -> int:
    """Factor by which a module enlarges bilinearly; 0: it does nothing of the kind."""
    if not isinstance(module, nn.Upsample) or module.mode != "bilinear":
        return 0
    factor = module.scale_factor
    return int(factor) if isinstance(factor, float) and factor.is_integer() else 0
