"""Training clips of the synthetic street, rendered when they are asked for."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass

import numpy as np

from lmanet_core.data.clips import Clip
from lmanet_core.data.street_dataset import FIRST_SEEDS
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.data.video import DatasetError
from lmanet_core.network.classes import CITYSCAPES
from lmanet_core.program.settings import check_at_least

MAX_LEAD_IN = 150
"""Frames skipped at most before a clip, so that all parts of a drive are seen."""

OPEN_STREETS = 8
"""Clips come from that many streets in turn, so that those of a batch differ. To build a street
takes longer than to render a frame of it."""


@dataclass(frozen=True)
class StreetClipsConfig:
    """Streets to cut clips from.

    Attributes:
        streets: number of streets in an epoch; the next epoch sees other parts of them.
        clips_per_street: number of clips of each.
        size: (width, height) of the frames.
        noise, flicker, motion_blur, occlusion_rate: upper bounds of the sensor effects, drawn
            uniformly for each street; see `StreetConfig`.
    """

    streets: int = 1000
    clips_per_street: int = 8
    size: tuple[int, int] = (512, 256)
    noise: float = 0.0
    flicker: float = 0.0
    motion_blur: float = 0.0
    occlusion_rate: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(1, streets=self.streets, clips_per_street=self.clips_per_street)
        StreetConfig(self.size, 15.0, *self._bounds)

    @property
    def _bounds(self) -> tuple[float, float, float, float]:
        return self.noise, self.flicker, self.motion_blur, self.occlusion_rate

    def draw(self, random: np.random.Generator) -> StreetConfig:
        """A sensor within the bounds."""
        return StreetConfig(self.size, 15.0, *(random.uniform(0, bound) for bound in self._bounds))


class StreetClips:
    """Clips from all parts of a number of streets; every frame has labels.

    Args:
        split: a key of `FIRST_SEEDS`, which streets.
        frames: T.
        max_stride: frames lie 1..max_stride video frames apart, drawn for each clip.
    """

    def __init__(
        self, config: StreetClipsConfig, frames: int, max_stride: int = 1, split: str = "train"
    ) -> None:
        check_at_least(1, frames=frames, max_stride=max_stride)
        if split not in FIRST_SEEDS:
            raise DatasetError(f"the street has the splits {tuple(FIRST_SEEDS)}, got {split!r}")
        self.classes = CITYSCAPES
        self.groups: tuple[tuple[int, ...], ...] = ()
        self.shuffle = False
        self._config = config
        self._frames = frames
        self._max_stride = max_stride
        self._first_seed = FIRST_SEEDS[split]

    def __len__(self) -> int:
        return self._config.streets * self._config.clips_per_street

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        stride = int(random.integers(1, self._max_stride + 1))
        seed = self._first_seed + self._street(index)
        sensor = self._config.draw(np.random.default_rng(seed))
        video = copy.deepcopy(_new_street(seed, sensor))
        video.skip(int(random.integers(MAX_LEAD_IN)))
        frames = []
        for _ in range(self._frames):
            frames.append(next(video))
            video.skip(stride - 1)
        images, labels = zip(*frames, strict=True)
        return Clip(np.stack(images), np.stack(labels))

    def _street(self, index: int) -> int:
        """OPEN_STREETS take turns until each has had its clips; then the next ones do."""
        group, turn = divmod(index, OPEN_STREETS * self._config.clips_per_street)
        return (group * OPEN_STREETS + turn % OPEN_STREETS) % self._config.streets


@functools.lru_cache(maxsize=OPEN_STREETS)
def _new_street(seed: int, config: StreetConfig) -> StreetVideo:
    """A drive that has not begun; drive a copy of it."""
    return StreetVideo(seed, config)
