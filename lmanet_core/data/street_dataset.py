"""The synthetic street as a data set: a number of drives of some seconds each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lmanet_core.data.synthetic import StreetConfig, StreetFrame, StreetVideo
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.network.classes import CITYSCAPES
from lmanet_core.program.settings import check_at_least

FIRST_SEEDS = {"train": 0, "holdout": 2**30, "val": 2**31}
"""Seed of each split's first street; the splits share none."""


@dataclass(frozen=True)
class StreetsConfig:
    """How many streets, how long and through which sensor.

    Attributes:
        streets: number of videos.
        frames: length of each.
        street: size, rate and sensor.
    """

    streets: int = 10
    frames: int = 30
    street: StreetConfig = field(
        default_factory=lambda: StreetConfig(noise=8.0, flicker=0.05, occlusion_rate=0.5)
    )

    def __post_init__(self) -> None:
        check_at_least(1, streets=self.streets, frames=self.frames)


def open_streets(
    split: str, size: tuple[int, int] | None = None, config: StreetsConfig | None = None
) -> VideoDataset:
    """Streets with labels for every frame, in the 19 Cityscapes classes.

    Args:
        split: a key of `FIRST_SEEDS`.
        size: (width, height) at which they are rendered; None: that of `config`.

    Raises:
        DatasetError: the split is unknown.
    """
    if split not in FIRST_SEEDS:
        raise DatasetError(f"the street has the splits {tuple(FIRST_SEEDS)}, got {split!r}")
    config = config or StreetsConfig()
    street = config.street if size is None else replace(config.street, size=size)
    seeds = range(FIRST_SEEDS[split], FIRST_SEEDS[split] + config.streets)
    videos = tuple(RenderedVideo(seed, config.frames, street) for seed in seeds)
    return VideoDataset("synthetic", CITYSCAPES, videos)


def open_street_dataset(root: Path, split: str, size: tuple[int, int] | None) -> VideoDataset:
    """The streets by default, as `open_dataset` opens them; they lie in no folder."""
    return open_streets(split, size)


class RenderedVideo:
    """The first frames of a street, rendered when they are asked for.

    Reading in order costs one rendering a frame; going back starts the drive anew.

    Args:
        seed, street: of the street.
        frames: how many.
        depth: whether `frame` has a depth.
    """

    def __init__(
        self, seed: int, frames: int, street: StreetConfig, *, depth: bool = False
    ) -> None:
        self._seed = seed
        self._frames = frames
        self._street = street
        self._drive: StreetVideo | None = None
        self._next = 0
        self._depth = depth
        self._rendered: StreetFrame | None = None

    @property
    def name(self) -> str:
        return f"street {self._seed}"

    @property
    def labelled(self) -> Sequence[int]:
        return range(self._frames)

    def __len__(self) -> int:
        return self._frames

    def image(self, index: int) -> np.ndarray:
        return self.frame(index).image

    def labels(self, index: int) -> np.ndarray | None:
        return self.frame(index).labels

    def frame(self, index: int) -> StreetFrame:
        """All that is known of a frame."""
        if not 0 <= index < self._frames:
            raise IndexError(f"frame {index} of a video of {self._frames}")
        if self._rendered is not None and index == self._next - 1:
            return self._rendered
        if self._drive is None or index < self._next:
            drive = StreetVideo(self._seed, self._street, depth=self._depth)
            self._drive, self._next = drive, 0
        self._drive.skip(index - self._next)
        self._rendered = self._drive.next_frame()
        self._next = index + 1
        return self._rendered
