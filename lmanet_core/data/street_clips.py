"""Training clips of the synthetic street, rendered when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmanet_core.classes import CITYSCAPES
from lmanet_core.data.clips import Clip, check_counts
from lmanet_core.data.street_dataset import FIRST_SEEDS
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.data.video import DatasetError

MAX_LEAD_IN = 150
"""Frames skipped at most before a clip, so that all parts of a drive are seen."""


@dataclass(frozen=True)
class StreetClipsConfig:
    """Streets to cut clips from.

    Attributes:
        streets: number of clips in an epoch, each from a street of its own; the next epoch sees
            other parts of them, through another sensor.
        size: (width, height) of the frames.
        noise, flicker, motion_blur, occlusion_rate: upper bounds of the sensor effects, drawn
            uniformly for each clip; see `StreetConfig`.
    """

    streets: int = 1000
    size: tuple[int, int] = (512, 256)
    noise: float = 0.0
    flicker: float = 0.0
    motion_blur: float = 0.0
    occlusion_rate: float = 0.0

    def __post_init__(self) -> None:
        check_counts(streets=self.streets)
        StreetConfig(self.size, 15.0, *self._bounds)

    @property
    def _bounds(self) -> tuple[float, float, float, float]:
        return self.noise, self.flicker, self.motion_blur, self.occlusion_rate

    def draw(self, random: np.random.Generator) -> StreetConfig:
        """A sensor within the bounds."""
        return StreetConfig(self.size, 15.0, *(random.uniform(0, bound) for bound in self._bounds))


class StreetClips:
    """One clip of each street; every frame has labels.

    Args:
        split: a key of `FIRST_SEEDS`, which streets.
        frames: T.
        max_stride: frames lie 1..max_stride video frames apart, drawn for each clip.
    """

    def __init__(
        self, config: StreetClipsConfig, frames: int, max_stride: int = 1, split: str = "train"
    ) -> None:
        check_counts(frames=frames, max_stride=max_stride)
        if split not in FIRST_SEEDS:
            raise DatasetError(f"the street has the splits {tuple(FIRST_SEEDS)}, got {split!r}")
        self.classes = CITYSCAPES
        self._config = config
        self._frames = frames
        self._max_stride = max_stride
        self._first_seed = FIRST_SEEDS[split]

    def __len__(self) -> int:
        return self._config.streets

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        stride = int(random.integers(1, self._max_stride + 1))
        video = StreetVideo(self._first_seed + index, self._config.draw(random))
        video.skip(int(random.integers(MAX_LEAD_IN)))
        frames = []
        for _ in range(self._frames):
            frames.append(next(video))
            video.skip(stride - 1)
        images, labels = zip(*frames, strict=True)
        return Clip(np.stack(images), np.stack(labels))
