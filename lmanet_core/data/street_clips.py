"""The synthetic street as an endless PyTorch data set of training clips."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from lmanet_core.data.synthetic import StreetConfig, StreetVideo

MAX_LEAD_IN = 150
"""Frames skipped at most before a scene's first clip, so that all parts of a drive are seen."""

OPEN_SCENES = 8
"""Clips come from that many scenes in turn, so that those of a batch differ."""


@dataclass(frozen=True)
class ClipConfig:
    """How clips are cut from street videos.

    Attributes:
        size: (width, height) of the rendered frames.
        crop_width: random columns kept of each clip; rows are kept, a street's rows mean depth.
        frames: T, frames in a clip.
        max_stride: consecutive frames of a clip lie 1..max_stride video frames apart, so that a
            network learns to live with dropped frames.
        clips_per_scene: clips cut from one video, on average, before a new one begins.
        noise, flicker, motion_blur, occlusion_rate: upper bounds of the sensor effects, drawn
            uniformly for each video; see `StreetConfig`.
    """

    size: tuple[int, int] = (512, 256)
    crop_width: int = 256
    frames: int = 5
    max_stride: int = 3
    clips_per_scene: int = 4
    noise: float = 0.0
    flicker: float = 0.0
    motion_blur: float = 0.0
    occlusion_rate: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.crop_width <= self.size[0]:
            raise ValueError(
                f"crop_width must be in 1..{self.size[0]}, the frames' width; got {self.crop_width}"
            )
        if min(self.frames, self.max_stride, self.clips_per_scene) < 1:
            raise ValueError("frames, max_stride and clips_per_scene must be at least 1")


class StreetClips(IterableDataset[tuple[Tensor, Tensor]]):
    """Yields (clip (T, 3, H, W) uint8 RGB, labels (H, W) int64 of the last frame) without end.

    The same seed gives the same clips; each loader worker gets scenes of its own.
    """

    def __init__(self, seed: int, config: ClipConfig) -> None:
        self._seed = seed
        self._config = config

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        cv2.setNumThreads(1)
        worker = get_worker_info()
        random = np.random.default_rng([self._seed, worker.id if worker else 0])
        scenes = [self._new_video(random) for _ in range(OPEN_SCENES)]
        for number in itertools.count():
            scene = int(random.integers(OPEN_SCENES))
            yield self._cut_clip(scenes[scene], random)
            if (number + 1) % self._config.clips_per_scene == 0:
                scenes[scene] = self._new_video(random)

    def _new_video(self, random: np.random.Generator) -> StreetVideo:
        config = self._config
        street = StreetConfig(
            size=config.size,
            noise=random.uniform(0, config.noise),
            flicker=random.uniform(0, config.flicker),
            motion_blur=random.uniform(0, config.motion_blur),
            occlusion_rate=random.uniform(0, config.occlusion_rate),
        )
        video = StreetVideo(int(random.integers(2**31)), street)
        video.skip(int(random.integers(MAX_LEAD_IN)))
        return video

    def _cut_clip(self, video: StreetVideo, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        config = self._config
        stride = int(random.integers(1, config.max_stride + 1))
        left = int(random.integers(config.size[0] - config.crop_width + 1))
        columns = slice(left, left + config.crop_width)
        mirror = slice(None, None, -1 if random.random() < 0.5 else 1)
        video.skip(int(random.integers(10, 40)))
        images = []
        for _ in range(config.frames):
            video.skip(stride - 1)
            image, labels = next(video)
            images.append(image[:, columns][:, mirror])
        clip = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
        return clip, torch.from_numpy(labels[:, columns][:, mirror].astype(np.int64))
