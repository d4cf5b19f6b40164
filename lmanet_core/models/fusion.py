"""Fusion of what was read from the memory with the current frame.

All are given the frame's values, what was read, the frame's features and its quality; what one does
not look at, it does not ask for. Those of the paper make new features from the first two.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmanet_core.models.frame_quality import FrameQuality

BATCH_NORM_EPS = 1e-3
DROPOUT = 0.3
BOTTLENECK_CHANNELS = 256
FIRST_SHARE = 0.3
"""Share of what was read, in the fusion 'blend', before it has learned."""


class Fusion(nn.Module):
    """What all have in common; made of Dv and C.

    Attributes:
        needs_non_negative: whether it is for features that are not negative alone.
        quality: tells how good a frame is, where the fusion wants to know.

    Raises:
        ValueError: it is not for these numbers of channels.
    """

    needs_non_negative = False

    def __init__(self) -> None:
        super().__init__()
        self.quality: FrameQuality | None = None

    def forward(
        self, query_values: Tensor, read: Tensor, features: Tensor, quality: Tensor | None = None
    ) -> Tensor:
        """Join a frame with what was read.

        Args:
            query_values: (B, Dv, H, W) of the frame.
            read: (B, Dv, H, W) from the memory.
            features: (B, C, H, W) of the frame.
            quality: (B, 1, 1, 1) of the frame; None: not known yet, a fusion that wants it computes
                it.

        Returns:
            (B, C, H, W), what the decoder gets.
        """
        raise NotImplementedError

    def memory_gate(
        self, query_values: Tensor, read: Tensor, quality: Tensor | None = None
    ) -> Tensor:
        """(B, Dv, H, W) twice -> (B, C, H, W), 0..1: how far the memory is let in."""
        raise NotImplementedError

    def memory_gate_bias(self) -> Tensor | None:
        """(C,) what is added before the memory gate's sigmoid, the parameter or a view of it; None:
        there is nothing of the kind."""
        return None


class GatedFusion(Fusion):
    """The paper's gated fusion: each source is weighted, channel by channel, by its own gate.

        q, m = ReLU(Dropout(BN(query values))), ReLU(Dropout(BN(read)))
        out = ReLU(BN(sigmoid(A_Q [q, m]) * E_Q q + sigmoid(A_M [q, m]) * E_M m))

    with 3x3 convolutions A and E. Source: Paul et al., IROS 2021, section III-C.
    """

    def __init__(self, value_channels: int, feature_channels: int) -> None:
        super().__init__()
        # Query and memory go side by side through each layer: two convolutions instead of four.
        self.bn = nn.BatchNorm2d(2 * value_channels, eps=BATCH_NORM_EPS)
        self.dropout = nn.Dropout2d(DROPOUT)
        self.gate = nn.Conv2d(2 * value_channels, 2 * feature_channels, 3, padding=1)
        self.expand = nn.Conv2d(2 * value_channels, 2 * feature_channels, 3, padding=1, groups=2)
        self.out_bn = nn.BatchNorm2d(feature_channels, eps=BATCH_NORM_EPS)

    def forward(
        self,
        query_values: Tensor,
        read: Tensor,
        features: Tensor | None = None,
        quality: Tensor | None = None,
    ) -> Tensor:
        both = self._both(query_values, read)
        query_gate, memory_gate = self.gate(both).sigmoid_().chunk(2, dim=1)
        query, memory = self.expand(both).chunk(2, dim=1)
        fused = torch.addcmul(query_gate * query, memory_gate, memory)
        return functional.relu(self.out_bn(fused), inplace=True)

    def memory_gate(
        self, query_values: Tensor, read: Tensor, quality: Tensor | None = None
    ) -> Tensor:
        return self.gate(self._both(query_values, read)).sigmoid_().chunk(2, dim=1)[1]

    def memory_gate_bias(self) -> Tensor | None:
        return _bias(self.gate).chunk(2)[1]

    def _both(self, query_values: Tensor, read: Tensor) -> Tensor:
        both = torch.cat([query_values, read], dim=1)
        return functional.relu(self.dropout(self.bn(both)), inplace=True)


class ConcatenationFusion(Fusion):
    """The ablation without gates: out = ReLU(Dropout(BN([query values, read]))).

    Raises:
        ValueError: two values do not have as many channels as the features.

    Source: Paul et al., IROS 2021, the ablation of the fusion; layers as in the authors' code.
    """

    def __init__(self, value_channels: int, feature_channels: int) -> None:
        super().__init__()
        if 2 * value_channels != feature_channels:
            raise ValueError(
                "fusion 'concatenation' puts two values in the place of the features: expected "
                f"value_channels {feature_channels / 2:g} for {feature_channels} feature channels, "
                f"got {value_channels}"
            )
        self.bn = nn.BatchNorm2d(feature_channels, eps=BATCH_NORM_EPS)
        self.dropout = nn.Dropout2d(DROPOUT)

    def forward(
        self,
        query_values: Tensor,
        read: Tensor,
        features: Tensor | None = None,
        quality: Tensor | None = None,
    ) -> Tensor:
        both = self.bn(torch.cat([query_values, read], dim=1))
        return functional.relu(self.dropout(both), inplace=True)

    def memory_gate(
        self, query_values: Tensor, read: Tensor, quality: Tensor | None = None
    ) -> Tensor:
        # Always open.
        return torch.ones_like(read)


class BottleneckFusion(Fusion):
    """The fusion for wide features: gates from a few shared channels, nothing expanded.

        b = ReLU(BN(D query values + D read))
        out = ReLU(BN(sigmoid(A_Q b) * query values + sigmoid(A_M b) * read))

    with 1x1 convolutions, D to 256 channels and A back. Both sources go through the same D.

    Raises:
        ValueError: values and features differ in their number of channels.

    Source: Paul et al., IROS 2021, section III-C for PSPNet; layers as in the authors' code.
    """

    def __init__(self, value_channels: int, feature_channels: int) -> None:
        super().__init__()
        if value_channels != feature_channels:
            raise ValueError(
                "fusion 'bottleneck' weights the values themselves: expected value_channels "
                f"{feature_channels}, as many as the features have, or null; got {value_channels}"
            )
        self.down = nn.Conv2d(value_channels, BOTTLENECK_CHANNELS, 1)
        self.bn = nn.BatchNorm2d(BOTTLENECK_CHANNELS, eps=BATCH_NORM_EPS)
        # Both gates read the same input: one convolution.
        self.gate = nn.Conv2d(BOTTLENECK_CHANNELS, 2 * feature_channels, 1)
        self.out_bn = nn.BatchNorm2d(feature_channels, eps=BATCH_NORM_EPS)

    def forward(
        self,
        query_values: Tensor,
        read: Tensor,
        features: Tensor | None = None,
        quality: Tensor | None = None,
    ) -> Tensor:
        query_gate, memory_gate = self._gates(query_values, read)
        fused = torch.addcmul(query_gate * query_values, memory_gate, read)
        return functional.relu(self.out_bn(fused), inplace=True)

    def memory_gate(
        self, query_values: Tensor, read: Tensor, quality: Tensor | None = None
    ) -> Tensor:
        return self._gates(query_values, read)[1]

    def memory_gate_bias(self) -> Tensor | None:
        return _bias(self.gate).chunk(2)[1]

    def _gates(self, query_values: Tensor, read: Tensor) -> tuple[Tensor, ...]:
        both = functional.relu(self.bn(self.down(query_values) + self.down(read)), inplace=True)
        return self.gate(both).sigmoid().chunk(2, dim=1)


def _bias(convolution: nn.Conv2d) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias


def _light_mix(in_channels: int, out_channels: int) -> nn.Sequential:
    """A depthwise 3x3 convolution and one across channels, ReLU6(BN(...))."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS),
        nn.ReLU6(inplace=True),
    )


class ResidualFusion(Fusion):
    """Features that stay what they are, and a gated correction by what was read.

        b = ReLU6(BN(D [query values, read]))
        out = ReLU(features + sigmoid(A b) * E b)

    with a depthwise 3x3 convolution before the 1x1 convolutions D, A and E, light enough for a
    network of a few GMACs. E begins as zero, so the memory begins without effect and costs nothing
    where it has nothing to say. That holds for features that are not negative, as of an encoder
    that ends in a ReLU: what is negative becomes 0.

    Source: the gates are those of Paul et al., IROS 2021, section III-C, the rest is not theirs.
    """

    needs_non_negative = True

    def __init__(self, value_channels: int, feature_channels: int) -> None:
        super().__init__()
        both = 2 * value_channels
        self.mix = _light_mix(both, both)
        # Gate and correction read the same input: one convolution.
        self.gate_and_correction = nn.Conv2d(both, 2 * feature_channels, 1)
        nn.init.zeros_(self.gate_and_correction.weight[feature_channels:])
        nn.init.zeros_(_bias(self.gate_and_correction))

    def forward(
        self, query_values: Tensor, read: Tensor, features: Tensor, quality: Tensor | None = None
    ) -> Tensor:
        gate, correction = self._gate_and_correction(query_values, read)
        return functional.relu(torch.addcmul(features, gate.sigmoid(), correction), inplace=True)

    def memory_gate(
        self, query_values: Tensor, read: Tensor, quality: Tensor | None = None
    ) -> Tensor:
        return self._gate_and_correction(query_values, read)[0].sigmoid()

    def memory_gate_bias(self) -> Tensor | None:
        return _bias(self.gate_and_correction).chunk(2)[0]

    def _gate_and_correction(self, query_values: Tensor, read: Tensor) -> tuple[Tensor, ...]:
        mixed = self.mix(torch.cat([query_values, read], dim=1))
        return self.gate_and_correction(mixed).chunk(2, dim=1)


class BlendFusion(Fusion):
    """Between the features and what was read of earlier ones, by a gate for each channel.

        b = ReLU6(BN(D [features, read]))
        out = features + sigmoid(A b + q(read) - q(features)) * (read - features)

    with a depthwise 3x3 convolution before the 1x1 convolutions D and A, and q the quality of a
    frame as a whole: one that is worse than those before it lets more in. All gates begin open by
    `FIRST_SHARE`. It can only average, so it needs keys that find the same thing again; in return
    the decoder gets what it knows, and the memory can neither invent nor forget much.

    Raises:
        ValueError: values and features differ in their number of channels.

    Source: the gates are those of Paul et al., IROS 2021, section III-C, the rest is not theirs.
    """

    def __init__(self, value_channels: int, feature_channels: int) -> None:
        super().__init__()
        if value_channels != feature_channels:
            raise ValueError(
                "fusion 'blend' averages the features themselves: expected value_channels null, "
                f"got {value_channels} for {feature_channels} feature channels"
            )
        self.mix = _light_mix(2 * feature_channels, feature_channels)
        self.gate = nn.Conv2d(feature_channels, feature_channels, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(_bias(self.gate), math.log(FIRST_SHARE / (1 - FIRST_SHARE)))
        self.quality = FrameQuality(feature_channels)

    def forward(
        self,
        query_values: Tensor,
        read: Tensor,
        features: Tensor | None = None,
        quality: Tensor | None = None,
    ) -> Tensor:
        # Values are the features themselves, see `ModelConfig.value_channels`.
        return torch.lerp(query_values, read, self.memory_gate(query_values, read, quality))

    def memory_gate(
        self, query_values: Tensor, read: Tensor, quality: Tensor | None = None
    ) -> Tensor:
        gate = self.gate(self.mix(torch.cat([query_values, read], dim=1)))
        assert self.quality is not None
        quality = self.quality(query_values) if quality is None else quality
        better = self.quality(read) - quality
        return (gate + better.to(gate.dtype)).sigmoid()

    def memory_gate_bias(self) -> Tensor | None:
        return _bias(self.gate)
