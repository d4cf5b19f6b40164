"""LMANet: a single-frame network with a local memory between its encoder and decoder."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from lmanet_core.models.backbone import BACKBONES, Backbone
from lmanet_core.models.memory import LocalMemory
from lmanet_core.network.model_config import ModelConfig

PROBE_SIZE = (64, 64)
"""(width, height), about, of an image that shows what a network does with one."""


class MemoryStore(Protocol):
    """Where a stream keeps the keys and values of its past frames."""

    def read(self) -> tuple[Tensor, Tensor] | None:
        """keys (B, S, Dk, H, W) and values (B, S, Dv, H, W) of the S frames held; None if empty."""

    def write(self, key: Tensor, value: Tensor) -> None:
        """Offer a frame, (B, Dk, H, W) and (B, Dv, H, W); a full store forgets its oldest."""


class LMANet(nn.Module):
    """Video segmentation network; `step` is for streams.

    Training runs whole clips through `lmanet_core.training.clip_forward.stream`: the same modules,
    in few large batches. `forward` is the plain form for one clip.

    With `config.memory_size` 0 it is the plain single-frame network and `memory` is None.

    Raises:
        ValueError: the fusion does not fit the backbone's features.

    Source: Paul et al., IROS 2021, section III and figure 2.

    Example:
        >>> import torch
        >>> from lmanet_core import ModelConfig
        >>> model = build_model(ModelConfig(memory_size=2, window_size=5)).eval()
        >>> model(torch.rand(1, 3, 3, 32, 64)).shape  # logits of the last of three frames
        torch.Size([1, 19, 32, 64])
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        self.config = config
        self.stride = backbone.stride
        self.size_rule = backbone.size_rule
        self.encoder = backbone.encoder
        self.decoder = backbone.decoder
        self.memory: LocalMemory | None = None
        if config.memory_size > 0:
            self.memory = LocalMemory(
                backbone.feature_channels,
                config.key_channels,
                config.value_channels,
                config.window_size,
                config.fusion,
                config.head_size,
                config.key_form,
            )
            if self.memory.fusion.needs_non_negative:
                _require_non_negative_features(backbone, config.fusion)

    def step(self, images: Tensor, store: MemoryStore | None) -> Tensor:
        """Segment the next frame of B streams and remember it.

        Args:
            images: (B, 3, H, W), RGB in 0..1, sides that `size_rule` allows.
            store: the streams' memory; None segments the frame alone.

        Returns:
            (B, num_classes, H, W) logits. With nothing in memory the decoder reads the encoder's
            features directly.
        """
        return self.decoder(self.step_features(images, store))

    def step_features(self, images: Tensor, store: MemoryStore | None) -> Tensor:
        """All of `step` that comes before the decoder: (B, C, h, w)."""
        features = self.encoder(images)
        if self.memory is None or store is None:
            return features
        frame = self.memory.project(features)
        if self.config.write_before_read:
            store.write(frame.memory_key, frame.memory_value)
        if (past := store.read()) is not None:
            features = self.memory.read_and_fuse(frame, *past)
        if not self.config.write_before_read:
            store.write(frame.memory_key, frame.memory_value)
        return features

    def forward(self, clips: Tensor) -> Tensor:
        """Segment the last frame of each clip, what came before being its memory.

        Args:
            clips: (B, T, 3, H, W), T >= 1, RGB in 0..1, sides that `size_rule` allows.

        Returns:
            (B, num_classes, H, W) logits of frame T - 1, those that streaming over the clip with
            a memory of at least T frames gives. In training mode the policy 'random' draws the
            frames that are remembered, the same for all clips of the batch.
        """
        last = clips.shape[1] - 1
        remembered = self.remembered(last)
        if self.memory is None or not remembered:
            return self.decoder(self.encoder(clips[:, last]))
        # In memory or not, the last frame is encoded once and comes last.
        frames = sorted({*remembered, last})
        features = self.encoder(clips[:, frames].flatten(0, 1))
        features = features.unflatten(0, (len(clips), len(frames)))
        past = self.memory.project(features[:, : len(remembered)].flatten(0, 1))
        current = self.memory.project(features[:, -1])
        keys = past.memory_key.unflatten(0, (len(clips), len(remembered)))
        values = past.memory_value.unflatten(0, (len(clips), len(remembered)))
        return self.decoder(self.memory.read_and_fuse(current, keys, values))

    def remembered(self, last: int) -> list[int]:
        """Indices of the frames that a memory of any size holds when frame `last` reads.

        In training mode the policy 'random' draws `memory_size` of them.
        """
        config = self.config
        if self.training and config.memory_policy == "random":
            own = [last] if config.write_before_read else []
            drawn = torch.randperm(last)[: config.memory_size - len(own)].tolist()
            return sorted(drawn) + own
        end = last + 1 if config.write_before_read else last
        return list(range(0, end, config.write_interval))


@torch.no_grad()
def _require_non_negative_features(backbone: Backbone, fusion: str) -> None:
    """Look at the features of one small image: an encoder ends in a ReLU, or half are negative."""
    width, height = backbone.size_rule.fit(PROBE_SIZE)
    image = torch.linspace(0, 1, 3 * height * width).reshape(1, 3, height, width)
    encoder, training = backbone.encoder, backbone.encoder.training
    lowest = float(encoder.eval()(image).min())
    encoder.train(training)
    if lowest < 0:
        raise ValueError(
            f"fusion '{fusion}' is for features that are not negative, those of this backbone are "
            f"down to {lowest:.2g}: let the encoder end in a ReLU, or choose another fusion"
        )


def build_model(config: ModelConfig) -> LMANet:
    """A network with random weights; the same PyTorch seed gives the same weights.

    Raises:
        ValueError: the backbone is unknown or not installed, or the fusion does not fit it.

    Example:
        >>> from lmanet_core import ModelConfig
        >>> model = build_model(ModelConfig(backbone="erfnet", memory_size=2, window_size=5))
        >>> model.memory.window_size
        5
    """
    return LMANet(config, BACKBONES.find(config.backbone)(len(config.classes)))
