"""Starts for the memory from which little has to be learned before it is of use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lmanet_core.models import LocalMemory
from lmanet_core.models.fusion import GatedFusion
from lmanet_core.training.initialization import share_initialization
from lmanet_core.training.training_config import TrainingError

SHARE = 0.2
"""Share of what was read from memory, at the start; the rest is the current frame's."""
KEY_SCALE = 0.7
"""Scale of white keys: the larger, the fewer places attention looks at."""
OFFSET = 3.0
"""Standard deviations that values are raised by, to pass the fusion's ReLU almost as they are."""
SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Components:
    """Principal components of features.

    Attributes:
        mean: (C,) float64 of each channel.
        axes: (C, C), one in each column, the one that varies most first.
        deviations: (C,), how much they vary.
    """

    mean: Tensor
    axes: Tensor
    deviations: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Components:
        """Components of (N, C, H, W) features; N must be large enough for the statistics of C
        channels."""
        rows = features.movedim(1, -1).flatten(0, -2).double()
        mean = rows.mean(0)
        variances, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        deviations = variances.flip(0).clamp_min(SMALLEST_VARIANCE).sqrt()
        return cls(mean, axes.flip(1), deviations)


@torch.no_grad()
def start_with_components(memory: LocalMemory, features: Tensor) -> None:
    """Let keys be the features' principal components, whitened, so that they tell places apart.

    Args:
        memory: with any fusion; the values' heads start shared, as by `share_initialization`.
        features: as `Components.of` takes them.
    """
    share_initialization(memory)
    components = Components.of(features)
    heads = memory.heads
    assert heads.bias is not None
    own = heads.out_channels // 2
    key_channels = memory.key_channels
    keys = _keys(components, key_channels)
    middle = heads.kernel_size[0] // 2
    for first in (0, own):
        of_keys = slice(first, first + key_channels)
        heads.weight[of_keys] = 0
        heads.weight[of_keys, :, middle, middle] = keys.float()
        heads.bias[of_keys] = (-keys @ components.mean).float()


@torch.no_grad()
def start_as_average(memory: LocalMemory, features: Tensor) -> None:
    """Make the fusion give back the current features, mixed with similar ones of past frames.

    The gated fusion has no path that leaves features as they are, so random weights would first
    have to learn to. Here keys are the features' principal components, whitened, and values are the
    first of them, from which the fusion puts the features together again. With that the network
    is as good as the single-frame one from the first step on, up to what the components beyond
    the number of value channels hold.

    Args:
        memory: with a gated fusion; all of its parameters and statistics are overwritten.
        features: as `Components.of` takes them.

    Raises:
        TrainingError: the memory has another fusion.
    """
    fusion = memory.fusion
    if not isinstance(fusion, GatedFusion):
        raise TrainingError(
            "start 'average' is for the fusion 'gated', whose values are fewer than the features; "
            "choose start 'components'"
        )
    channels = features.shape[1]
    value_channels = fusion.bn.num_features // 2
    components = Components.of(features)
    mean = components.mean
    keys = _keys(components, memory.key_channels)
    values = components.axes[:, :value_channels].T
    heads = torch.cat([keys, values, keys, values])
    _set_convolution(memory.heads, heads, -heads @ mean)
    scale = components.deviations[:value_channels]
    spread = scale.square().repeat(2)
    _set_norm(fusion.bn, torch.zeros_like(spread), spread, torch.ones_like(spread), OFFSET)
    # Closed half-way, all gates let pass a half of what the expansions therefore double.
    half = torch.zeros(2 * channels)
    _set_convolution(fusion.gate, half[:, None], half)
    back = values.T * scale
    offset = mean - OFFSET * back.sum(1)
    shares = (2 * (1 - SHARE), 2 * SHARE)
    _set_convolution(
        fusion.expand,
        torch.cat([share * back for share in shares]),
        torch.cat([share * offset for share in shares]),
    )
    restored = back.square().sum(1)
    gain = (restored + fusion.out_bn.eps).sqrt()
    _set_norm(fusion.out_bn, mean, restored, gain, mean)


def _keys(components: Components, number: int) -> Tensor:
    """(number, C), what makes keys of features."""
    return KEY_SCALE * (components.axes / components.deviations)[:, :number].T


def _set_convolution(convolution: nn.Conv2d, center: Tensor, bias: Tensor) -> None:
    """Weights (out, in) that look at the location itself, and nothing around it."""
    assert convolution.bias is not None
    convolution.weight.zero_()
    middle = convolution.kernel_size[0] // 2
    convolution.weight[:, :, middle, middle] = center.float()
    convolution.bias.copy_(bias)


def _set_norm(
    norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor | float
) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(weight)
    norm.bias.copy_(torch.as_tensor(bias))
