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
        crop_size: (width, height) of the part that is kept of each clip, around a pixel of a class
            drawn from those in sight, so that rare ones are seen often.
        crops_per_clip: crops cut from each clip, one after the other; rendering is what costs.
        frames: T, frames in a clip.
        max_stride: consecutive frames of a clip lie 1..max_stride video frames apart, so that a
            network learns to live with dropped frames.
        clips_per_scene: clips cut from one video, on average, before a new one begins.
        noise, flicker, motion_blur, occlusion_rate: upper bounds of the sensor effects, drawn
            uniformly for each video; see `StreetConfig`.
    """

    size: tuple[int, int] = (512, 256)
    crop_size: tuple[int, int] = (256, 256)
    crops_per_clip: int = 1
    frames: int = 5
    max_stride: int = 3
    clips_per_scene: int = 4
    noise: float = 0.0
    flicker: float = 0.0
    motion_blur: float = 0.0
    occlusion_rate: float = 0.0

    def __post_init__(self) -> None:
        width, height = self.crop_size
        if not (0 < width <= self.size[0] and 0 < height <= self.size[1]):
            raise ValueError(
                f"crop_size must be within {self.size}, the size of the frames; "
                f"got {self.crop_size}"
            )
        for name in ("crops_per_clip", "frames", "max_stride", "clips_per_scene"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class StreetClips(IterableDataset[tuple[Tensor, Tensor]]):
    """Yields (clip (T, 3, H, W) uint8 RGB, labels (T, H, W) int64) without end.

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
            images, labels = self._render_clip(scenes[scene], random)
            for _ in range(self._config.crops_per_clip):
                yield _crop(images, labels, self._config.crop_size, random)
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

    def _render_clip(
        self, video: StreetVideo, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images (T, H, W, 3) and labels (T, H, W), both uint8."""
        stride = int(random.integers(1, self._config.max_stride + 1))
        video.skip(int(random.integers(10, 40)))
        frames = []
        for _ in range(self._config.frames):
            video.skip(stride - 1)
            frames.append(next(video))
        images, labels = zip(*frames, strict=True)
        return np.stack(images), np.stack(labels)


def _crop(
    images: np.ndarray, labels: np.ndarray, size: tuple[int, int], random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A crop of a whole clip, mirrored half of the time."""
    rows, columns = _draw_crop(labels[-1], size, random)
    mirror = slice(None, None, -1 if random.random() < 0.5 else 1)
    clip = torch.from_numpy(images[:, rows, columns][:, :, mirror].copy())
    truth = torch.from_numpy(labels[:, rows, columns][:, :, mirror].astype(np.int64))
    return clip.permute(0, 3, 1, 2), truth


def _draw_crop(
    labels: np.ndarray, size: tuple[int, int], random: np.random.Generator
) -> tuple[slice, slice]:
    """Rows and columns of a crop of (H, W) labels that has a pixel of a class drawn at random."""
    present = np.flatnonzero(np.bincount(labels.ravel()))
    pixels = np.argwhere(labels == random.choice(present))
    pixel = pixels[random.integers(len(pixels))]
    crop = np.array(size[::-1])
    top, left = np.clip(pixel - random.integers(crop), 0, np.array(labels.shape) - crop).tolist()
    return slice(top, top + size[1]), slice(left, left + size[0])
