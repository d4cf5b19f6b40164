"""Clips: what a network with a memory is trained on."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from lmanet_core.data.video import DatasetError, Video, VideoDataset
from lmanet_core.network.classes import IGNORE_LABEL, ClassTable
from lmanet_core.program.settings import check_at_least


class Clip(NamedTuple):
    """T frames in order."""

    images: np.ndarray
    """(T, H, W, 3) uint8, RGB."""
    labels: np.ndarray
    """(T, H, W) uint8; a frame without truth is 255 everywhere."""


class ClipSource(Protocol):
    """Numbered clips."""

    @property
    def classes(self) -> ClassTable:
        """What the labels mean."""

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """A label `len(classes) + g` means "one of the classes `groups[g]`"."""

    @property
    def shuffle(self) -> bool:
        """Whether an epoch is to take the clips in random order. Otherwise they are random as
        they are, and cheaper to make in order."""

    def __len__(self) -> int: ...

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        """Clip number `index`; what it leaves open is drawn from `random` and nothing else."""


class ClipsOfSource:
    """What sources made of another source share with it; `clip` is theirs to say."""

    def __init__(self, source: ClipSource) -> None:
        self.classes = source.classes
        self.groups = source.groups
        self.shuffle = source.shuffle
        self._source = source

    def __len__(self) -> int:
        return len(self._source)


class LabelledClips:
    """One clip for each labelled frame: that frame, and before it its neighbours in the video.

    Where the video begins too late, its first frame is repeated, as if the camera had stood still
    before: a memory that reads the same frame twice reads what it reads from one.

    Args:
        dataset: where the frames are from.
        frames: T; 1 gives the labelled frames alone.
        max_stride: neighbours lie 1..max_stride video frames apart, drawn for each clip, so that
            a network learns to live with dropped frames.

    Raises:
        DatasetError: no frame has labels.
        ValueError: a number is less than 1.
    """

    def __init__(self, dataset: VideoDataset, frames: int, max_stride: int = 1) -> None:
        check_at_least(1, frames=frames, max_stride=max_stride)
        self.classes = dataset.classes
        self.groups: tuple[tuple[int, ...], ...] = ()
        self.shuffle = True
        self._ends = dataset.labelled_frames
        self._frames = frames
        self._max_stride = max_stride
        if not self._ends:
            raise DatasetError(f"no frame of this split of '{dataset.name}' has labels")

    def __len__(self) -> int:
        return len(self._ends)

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        video, end = self._ends[index]
        stride = int(random.integers(1, self._max_stride + 1))
        indices = [max(0, end - past * stride) for past in reversed(range(self._frames))]
        frames = {i: _read_frame(video, i) for i in sorted(set(indices))}
        images, labels = zip(*(frames[i] for i in indices), strict=True)
        return Clip(np.stack(images), np.stack(labels))


def _read_frame(video: Video, index: int) -> tuple[np.ndarray, np.ndarray]:
    image, labels = video.image(index), video.labels(index)
    if labels is None:
        labels = np.full(image.shape[:2], IGNORE_LABEL, np.uint8)
    if labels.shape != image.shape[:2]:
        raise DatasetError(
            f"{video.name}, frame {index}: labels {labels.shape} do not fit the image "
            f"{image.shape[:2]}"
        )
    return image, labels
