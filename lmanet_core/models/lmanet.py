"""LMANet: a single-frame network with a local memory between its encoder and decoder."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from lmanet_core.config import ModelConfig
from lmanet_core.models.backbone import BACKBONES, Backbone
from lmanet_core.models.memory import LocalMemory


class MemoryStore(Protocol):
    """Where a stream keeps the keys and values of its past frames."""

    def read(self) -> tuple[Tensor, Tensor] | None:
        """keys (B, S, Dk, H, W) and values (B, S, Dv, H, W) of the S frames held; None if empty."""

    def write(self, key: Tensor, value: Tensor) -> None:
        """Remember a frame, (B, Dk, H, W) and (B, Dv, H, W); forget the oldest when full."""


class LMANet(nn.Module):
    """Video segmentation network; `forward` for clips (training), `step` for streams.

    With `config.memory_size` 0 it is the plain single-frame network and `memory` is None.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        self.config = config
        self.stride = backbone.stride
        self.encoder = backbone.encoder
        self.decoder = backbone.decoder
        self.memory: LocalMemory | None = None
        if config.memory_size > 0:
            self.memory = LocalMemory(
                backbone.feature_channels,
                config.key_channels,
                config.value_channels,
                config.window_size,
            )

    def step(self, images: Tensor, store: MemoryStore | None) -> Tensor:
        """Segment the next frame of B streams and remember it.

        Args:
            images: (B, 3, H, W), RGB in 0..1, sides multiples of `stride`.
            store: the streams' memory, read and then written; None segments the frame alone.

        Returns:
            (B, num_classes, H, W) logits. With nothing in memory the decoder reads the encoder's
            features directly.
        """
        features = self.encoder(images)
        if self.memory is None or store is None:
            return self.decoder(features)
        frame = self.memory.project(features)
        if (past := store.read()) is not None:
            features = self.memory.read_and_fuse(frame, *past)
        store.write(frame.memory_key, frame.memory_value)
        return self.decoder(features)

    def forward(self, clips: Tensor) -> Tensor:
        """Segment the last frame of each clip, all earlier ones being its memory.

        Args:
            clips: (B, T, 3, H, W), T >= 1, RGB in 0..1, sides multiples of `stride`.

        Returns:
            (B, num_classes, H, W) logits of frame T - 1, those that streaming over the clip with
            a memory of at least T - 1 frames gives.
        """
        batch, frames = clips.shape[:2]
        if self.memory is None or frames == 1:
            return self.decoder(self.encoder(clips[:, -1]))
        features = self.encoder(clips.flatten(0, 1)).unflatten(0, (batch, frames))
        past = self.memory.project(features[:, :-1].flatten(0, 1))
        current = self.memory.project(features[:, -1])
        keys = past.memory_key.unflatten(0, (batch, frames - 1))
        values = past.memory_value.unflatten(0, (batch, frames - 1))
        return self.decoder(self.memory.read_and_fuse(current, keys, values))


def build_model(config: ModelConfig) -> LMANet:
    """A network with random weights; the same PyTorch seed gives the same weights.

    Raises:
        ValueError: the backbone is unknown.
    """
    if config.backbone not in BACKBONES:
        raise ValueError(f"backbone must be one of {sorted(BACKBONES)}, got {config.backbone!r}")
    return LMANet(config, BACKBONES[config.backbone](len(config.classes)))
