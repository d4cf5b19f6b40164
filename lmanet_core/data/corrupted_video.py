"""A video some of whose frames are corrupted, whatever corrupts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lmanet_core.data.video import Video, VideoDataset
from lmanet_core.program.settings import check_at_least


class FrameInRun(NamedTuple):
    """Where a frame is among those in a row that are corrupted together."""

    number: int
    """Number of the frame in its run, from 0 on."""
    seed: tuple[int, int]
    """Seed of the run: the video's seed and the run's number."""
    random: np.random.Generator
    """What the run's frames draw from, the same from the same state on."""


CorruptFrame = Callable[[np.ndarray, FrameInRun], np.ndarray]
"""Makes a corrupted copy of an image, (H, W, 3) uint8, RGB."""


@dataclass(frozen=True)
class CorruptedVideo:
    """A video some of whose frames are corrupted, the same ones, and alike, whenever it is read.

    Attributes:
        video: as it is.
        corrupt_frame: what is done to a frame.
        share: share of the frames, 0..1.
        run_length: frames in a row that are corrupted together, or are not.
        seed: seed of the choice of frames and of what is drawn.
    """

    video: Video
    corrupt_frame: CorruptFrame
    share: float
    run_length: int
    seed: int

    @property
    def name(self) -> str:
        return self.video.name

    @property
    def labelled(self) -> Sequence[int]:
        return self.video.labelled

    def __len__(self) -> int:
        return len(self.video)

    def image(self, index: int) -> np.ndarray:
        image = self.video.image(index)
        frame = self._corrupted(index)
        return image if frame is None else self.corrupt_frame(image, frame)

    def is_corrupted(self, index: int) -> bool:
        """Whether a frame is one of those that are corrupted; found without reading any."""
        return self._corrupted(index) is not None

    def labels(self, index: int) -> np.ndarray | None:
        return self.video.labels(index)

    def _corrupted(self, index: int) -> FrameInRun | None:
        """Where a corrupted frame is in its run; None: it is not corrupted."""
        run, number = divmod(index, self.run_length)
        seed = (self.seed, run)
        random = np.random.default_rng(seed)
        return FrameInRun(number, seed, random) if random.random() < self.share else None


def with_corrupted_frames(
    dataset: VideoDataset, corrupt_frame: CorruptFrame, share: float, run_length: int
) -> VideoDataset:
    """The data set with that share of its frames corrupted; which ones depends on nothing else.

    Raises:
        ValueError: the share is not in 0..1, or the length is less than 1.
    """
    check_at_least(1, run_length=run_length)
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in 0..1, got {share}")
    videos = (
        CorruptedVideo(video, corrupt_frame, share, run_length, seed)
        for seed, video in enumerate(dataset.videos)
    )
    return replace(dataset, videos=tuple(videos))
