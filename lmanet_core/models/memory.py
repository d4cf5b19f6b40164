"""The local memory: what is written of a frame, how it is read, how it is fused."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from lmanet_core.models.frame_quality import FrameQuality
from lmanet_core.models.fusion import Fusion
from lmanet_core.models.key_forms import LinearKeys
from lmanet_core.network.model_config import FUSIONS, KEY_FORMS
from lmanet_core.ops import local_attention


class Projection(NamedTuple):
    """Keys and values of one frame's features, once to read with and once to be remembered."""

    query_key: Tensor
    """K_Q (B, Dk, H, W)."""
    query_value: Tensor
    """V_Q (B, Dv, H, W)."""
    memory_key: Tensor
    """K_M (B, Dk, H, W)."""
    memory_value: Tensor
    """V_M (B, Dv, H, W)."""
    features: Tensor
    """E_t (B, C, H, W), which they were made from."""
    quality: Tensor | None = None
    """(B, 1, 1, 1), how good the frame is as a whole, where key form or fusion wants to know."""


class LocalMemory(nn.Module):
    """Memory heads, local attention and fusion; wraps any features of `feature_channels`.

    Args:
        feature_channels: C.
        key_channels: Dk.
        value_channels: Dv; None: both values are the features themselves, Dv = C.
        window_size: side of the attention window in feature cells, odd; None: everywhere.
        fusion: one of `lmanet_core.network.model_config.FUSIONS`.
        head_size: side of the heads' kernels.
        key_form: one of `lmanet_core.network.model_config.KEY_FORMS`.

    Raises:
        ValueError: the fusion does not fit the numbers of channels.

    Source: Paul et al., IROS 2021, section III.
    """

    def __init__(
        self,
        feature_channels: int,
        key_channels: int,
        value_channels: int | None,
        window_size: int | None,
        fusion: str = "gated",
        head_size: int = 3,
        key_form: str = "linear",
    ) -> None:
        super().__init__()
        self.window_size = window_size
        self.passes_values = value_channels is None
        self.key_form: LinearKeys = KEY_FORMS.find(key_form)(feature_channels)
        key_channels -= self.key_form.extra_channels
        self.key_channels = key_channels
        head = [key_channels] if value_channels is None else [key_channels, value_channels]
        self._channels = head * 2
        # Both heads read the same features: one convolution with their outputs side by side.
        self.heads = nn.Conv2d(
            feature_channels, sum(self._channels), head_size, padding=head_size // 2
        )
        self.fusion: Fusion = FUSIONS.find(fusion)(
            value_channels or feature_channels, feature_channels
        )
        if self.key_form.quality is not None and self.fusion.quality is not None:
            # One for both, under both names: so checkpoints have always held it.
            self.fusion.quality = self.key_form.quality

    @property
    def frame_quality(self) -> FrameQuality | None:
        """What tells how good a frame is; None where neither key form nor fusion wants to know."""
        return self.fusion.quality if self.key_form.quality is None else self.key_form.quality

    def project(self, features: Tensor) -> Projection:
        """(B, C, H, W) features -> the frame's keys and values."""
        parts = self.heads(features).split(self._channels, dim=1)
        if self.passes_values:
            query_key, memory_key = parts
            query_value = memory_value = features
        else:
            query_key, query_value, memory_key, memory_value = parts
        quality = None if self.frame_quality is None else self.frame_quality(features)
        query_key, memory_key = self.key_form(query_key, memory_key, quality)
        return Projection(query_key, query_value, memory_key, memory_value, features, quality)

    def read_and_fuse(self, frame: Projection, keys: Tensor, values: Tensor) -> Tensor:
        """Read past frames around each location of this one.

        Args:
            frame: the current frame's projection.
            keys: (B, S, Dk, H, W) memory keys of S >= 1 past frames, in any order.
            values: (B, S, Dv, H, W) memory values.

        Returns:
            (B, C, H, W) features that take the place of the encoder's in the decoder.
        """
        read = local_attention(frame.query_key, keys, values, self.window_size)
        return self.fusion(frame.query_value, read, frame.features, frame.quality)
