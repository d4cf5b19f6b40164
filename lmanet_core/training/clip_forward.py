"""Clips through the network, as a stream would go through it, but in few large batches."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lmanet_core.models import LMANet, LocalMemory
from lmanet_core.models.memory import Projection
from lmanet_core.ops import local_attention


class EncodedClips(NamedTuple):
    """The frames of clips as the encoder and the memory's projections have them."""

    features: dict[int, Tensor]
    """(B, C, H', W') of the encoder, of each frame that is needed."""
    projections: dict[int, Projection]
    """Their keys and values; without a memory there are none."""
    remembered: dict[int, list[int]]
    """Which frames are in memory when one that counts reads."""


def stream(model: LMANet, clips: Tensor, supervise: str = "all") -> Tensor:
    """Segment the frames of clips as a robot would, from an empty memory on.

    A frozen encoder runs without gradients. All frames go through it, and those that count through
    fusion and decoder, in one batch: it is faster, and better for batch statistics.

    Args:
        clips: (B, T, 3, H, W), RGB in 0..1.
        supervise: 'all' segments every frame, 'last' the last one, those before being its memory.

    Returns:
        (B * N, num_classes, H, W) logits of N = T or N = 1 frames, those that `LMANet.step` gives
        frame by frame. In training mode the policy 'random' draws what is remembered.
    """
    return decode_clips(model, encode_clips(model, clips, supervise))


def encode_clips(model: LMANet, clips: Tensor, supervise: str = "all") -> EncodedClips:
    """First half of `stream`: encode the frames that are needed, and project them."""
    frames = _supervised(clips.shape[1], supervise)
    remembered = {now: _remembered(model, now) for now in frames}
    needed = sorted({*frames, *(past for pasts in remembered.values() for past in pasts)})
    features = dict(zip(needed, encode(model, clips[:, needed]).unbind(1), strict=True))
    projections = {} if model.memory is None else _project(model.memory, features)
    return EncodedClips(features, projections, remembered)


def decode_clips(model: LMANet, encoded: EncodedClips) -> Tensor:
    """Second half of `stream`: let the frames that count read, and decode them."""
    features = encoded.features
    if model.memory is not None:
        features = features | _fuse(model.memory, encoded.projections, encoded.remembered)
    chosen = torch.stack([features[now] for now in encoded.remembered], dim=1)
    return model.decoder(chosen.flatten(0, 1))


def fuse_corrupted_clips(
    model: LMANet, clips: Tensor, corrupted: Tensor, supervise: str = "all"
) -> tuple[Tensor, Tensor]:
    """What the memory makes of frames that are seen, and remembered, corrupted.

    Args:
        clips: (B, T, 3, H, W), RGB in 0..1, T >= 2.
        corrupted: the same clips with corrupted frames, which the network sees.
        supervise: as `stream` takes it; the first frame has no memory and does not count.

    Returns:
        What the fusion gives for the corrupted frames, (B * N, C, H', W'), and the clean frames
        that it belongs to, (B * N, 3, H, W).
    """
    assert model.memory is not None
    remembered = {
        now: pasts
        for now in _supervised(clips.shape[1], supervise)
        if (pasts := [past for past in _remembered(model, now) if past != now])
    }
    frames = list(remembered)
    features = dict(enumerate(encode(model, corrupted).unbind(1)))
    projections = _project(model.memory, features)
    fused = _fuse(model.memory, projections, remembered)
    clean = clips[:, frames].transpose(0, 1).flatten(0, 1)
    return torch.cat([fused[now] for now in frames]), clean


def encode(model: LMANet, clips: Tensor) -> Tensor:
    """(B, T, 3, H, W) -> (B, T, C, H', W'), without gradients where the encoder is frozen."""
    learns = any(parameter.requires_grad for parameter in model.encoder.parameters())
    images = clips.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
        return model.encoder(images).unflatten(0, clips.shape[:2])


def _supervised(frames: int, supervise: str) -> list[int]:
    return [frames - 1] if supervise == "last" else list(range(frames))


def _remembered(model: LMANet, now: int) -> list[int]:
    """Indices of the frames that are in memory when frame `now` reads."""
    if model.memory is None:
        return []
    return model.remembered(now)[-model.config.memory_size :]


def _project(memory: LocalMemory, features: dict[int, Tensor]) -> dict[int, Projection]:
    """Keys and values of each frame, from (B, C, H', W') features."""
    parts = memory.project(torch.cat(list(features.values())))
    chunks = (part.chunk(len(features)) for part in parts if part is not None)
    by_frame = zip(*chunks, strict=True)
    return {frame: Projection(*own) for frame, own in zip(features, by_frame, strict=True)}


def _fuse(
    memory: LocalMemory,
    projections: dict[int, Projection],
    remembered: dict[int, list[int]],
) -> dict[int, Tensor]:
    """Fused features (B, C, H', W') of every frame that has something in memory."""
    frames = [now for now, pasts in remembered.items() if pasts]
    if not frames:
        return {}
    reads = []
    for now in frames:
        keys = torch.stack([projections[frame].memory_key for frame in remembered[now]], dim=1)
        values = torch.stack([projections[frame].memory_value for frame in remembered[now]], dim=1)
        reads.append(local_attention(projections[now].query_key, keys, values, memory.window_size))
    queries = torch.cat([projections[now].query_value for now in frames])
    features = torch.cat([projections[now].features for now in frames])
    known = [own for now in frames if (own := projections[now].quality) is not None]
    quality = torch.cat(known) if known else None
    fused = memory.fusion(queries, torch.cat(reads), features, quality).chunk(len(frames))
    return dict(zip(frames, fused, strict=True))
