"""What a training run learns from, as its configuration file says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmanet_core.data.augmentation import AugmentationConfig
from lmanet_core.data.checks import check_counts
from lmanet_core.data.clips import ClipSource, LabelledClips
from lmanet_core.data.datasets import DATASETS, open_dataset
from lmanet_core.data.pseudo_clips import MotionConfig, PseudoClips
from lmanet_core.data.street_clips import StreetClips, StreetClipsConfig
from lmanet_core.settings import build

CLIPS = ("neighbours", "pseudo", "street")
"""Where the frames before the last one are from, see `DataConfig.clips`."""


@dataclass(frozen=True)
class DataConfig:
    """A data set and how clips are made of it.

    Attributes:
        dataset: one of `DATASETS`.
        root: its folder; None for 'synthetic'.
        split: see the data set.
        labels: folder in `root` with labels from elsewhere, of 'cityscapes' and 'recording'; None:
            the data set's own alone.
        size: (width, height) of the frames; None: as stored. For 'synthetic' it is that of the
            videos to validate on; the clips have `street.size`.
        clips: one of `CLIPS`. 'neighbours' are a labelled frame and the video before it, 'pseudo'
            are made of the labelled frame alone, 'street' are those of the data set 'synthetic'.
        frames: T; 1 for a single-frame network.
        max_stride: frames of a clip lie 1..max_stride video frames apart.
        motion: of the clips 'pseudo'.
        street: of the clips 'street'.
        augmentation: None leaves clips as they are.
    """

    dataset: str
    root: Path | None = None
    split: str = "train"
    labels: str | None = None
    size: tuple[int, int] | None = None
    clips: str = "neighbours"
    frames: int = 1
    max_stride: int = 1
    motion: MotionConfig = field(default_factory=MotionConfig)
    street: StreetClipsConfig = field(default_factory=StreetClipsConfig)
    augmentation: AugmentationConfig | None = None

    def __post_init__(self) -> None:
        if self.dataset not in DATASETS:
            raise ValueError(f"dataset must be one of {DATASETS}, got {self.dataset!r}")
        if self.clips not in CLIPS:
            raise ValueError(f"clips must be one of {CLIPS}, got {self.clips!r}")
        if (self.clips == "street") != (self.dataset == "synthetic"):
            raise ValueError(
                f"clips 'street' and dataset 'synthetic' go together, got {self.clips!r} and "
                f"{self.dataset!r}"
            )
        check_counts(frames=self.frames, max_stride=self.max_stride)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataConfig:
        """From the plain values of a YAML file; lists become tuples, `root` a path.

        Raises:
            ValueError: a key is unknown, or a value has the wrong type or range.
        """
        return build(cls, values, "data")


def open_clips(config: DataConfig) -> ClipSource:
    """Find the data and make clips of it.

    Raises:
        DatasetError: files are missing, or none of the frames has labels.
    """
    if config.clips == "street":
        return StreetClips(config.street, config.frames, config.max_stride, config.split)
    dataset = open_dataset(config.dataset, config.root, config.split, config.size, config.labels)
    if config.clips == "pseudo":
        return PseudoClips(dataset, config.frames, config.motion)
    return LabelledClips(dataset, config.frames, config.max_stride)
