"""What a data set of videos is: frames in order, with labels where there is truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lmanet_core.network.classes import ClassTable


class DatasetError(ValueError):
    """A data set cannot be used; the message says what was expected and what came."""


class VideoError(ValueError):
    """A video cannot be read; the message says which and why."""


class Video(Protocol):
    """Frames of one drive, all of one size, evenly spaced in time."""

    @property
    def name(self) -> str:
        """What a person finds the video by."""

    @property
    def labelled(self) -> Sequence[int]:
        """Indices of the frames that have labels, in rising order; found without reading any."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8, RGB."""

    def labels(self, index: int) -> np.ndarray | None:
        """(H, W) uint8, index into the class table or 255; None where there is no truth."""


@dataclass(frozen=True)
class VideoDataset:
    """Videos whose labels mean the same.

    Attributes:
        name: as `open_dataset` takes it.
        classes: what the labels mean.
        videos: in a fixed order.
    """

    name: str
    classes: ClassTable
    videos: tuple[Video, ...]

    @property
    def labelled_frames(self) -> list[tuple[Video, int]]:
        """Every frame that has labels."""
        return [(video, index) for video in self.videos for index in video.labelled]
