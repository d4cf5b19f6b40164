"""What a training run learns from, as its configuration file says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmanet_core.data.augmentation import AugmentationConfig
from lmanet_core.data.clips import ClipSource, LabelledClips
from lmanet_core.data.corruption import ClipsWithCorruptedCopies, CorruptedClips, CorruptionConfig
from lmanet_core.data.datasets import DATASETS, SYNTHETIC, open_dataset, takes_labels
from lmanet_core.data.label_mapping import known_label_mapping, training_labels
from lmanet_core.data.mixture import AugmentedClips, MixedClips, Part, RelabelledClips
from lmanet_core.data.pseudo_clips import MotionConfig, PseudoClips
from lmanet_core.data.street_clips import StreetClips, StreetClipsConfig
from lmanet_core.program.settings import build, check_at_least

CLIPS = ("neighbours", "pseudo", "street")
"""Where the frames before the last one come from, see `DataConfig.clips`."""


@dataclass(frozen=True)
class DataConfig:
    """A data set and how clips are made of it.

    Attributes:
        dataset: one of `DATASETS`.
        root: its folder; None for 'synthetic'.
        split: see the data set.
        labels: folder in `root` with other labels than the data set's own, for 'cityscapes' and
            'recording'; None: the data set's own.
        size: (width, height) of the frames; None: as stored. For 'synthetic' it is the size of the
            videos for validation; clips have `street.size`.
        clips: one of `CLIPS`. 'neighbours' are a labelled frame and the video before it, 'pseudo'
            are made of the labelled frame alone, 'street' are those of the data set 'synthetic'.
        frames: T; 1 for a single-frame network.
        max_stride: frames of a clip lie 1..max_stride video frames apart.
        motion: how 'pseudo' clips move.
        street: what 'street' clips show.
        augmentation: how clips are augmented; None: not at all.
        corrupt_last_frame: how the last frame of a clip is corrupted now and then, after the
            augmentation; None: never.
        corrupt_any_frame: how each frame is corrupted now and then, by itself; None: never.
        corrupted_copy: how a copy of each frame is corrupted; a single-frame network sees frame
            and copy, see `StageConfig.distillation`. None: there is no copy. It needs frames 1.
        also: further data sets to learn from at the same time. A setting that one of them leaves
            out is as here.
        share: only in `also`: share (0..1) of the clips that come from that data set. The first
            data set has the rest.
        label_mapping: only in `also`: maps the classes of that data set to those of the first, see
            `lmanet_core.data.label_mapping`. None: the classes are the same, or the mapping is
            known.
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
    corrupt_last_frame: CorruptionConfig | None = None
    corrupt_any_frame: CorruptionConfig | None = None
    corrupted_copy: CorruptionConfig | None = None
    also: tuple[DataConfig, ...] = ()
    share: float = 0.0
    label_mapping: Mapping[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        DATASETS.check(self.dataset)
        if self.clips not in CLIPS:
            raise ValueError(f"clips must be one of {CLIPS}, got {self.clips!r}")
        if (self.clips == "street") != (self.dataset == SYNTHETIC):
            raise ValueError(
                f"clips 'street' and dataset 'synthetic' go together, got {self.clips!r} and "
                f"{self.dataset!r}"
            )
        check_at_least(1, frames=self.frames, max_stride=self.max_stride)
        if self.corrupted_copy is not None and self.frames != 1:
            raise ValueError(f"corrupted_copy goes with frames 1, got {self.frames}")
        if any(other.also for other in self.also):
            raise ValueError("the data sets in `also` cannot have others in `also`")
        shares = [other.share for other in self.also]
        if not all(0 < share < 1 for share in shares) or not sum(shares) < 1:
            raise ValueError(f"shares of the data sets in `also` must sum up to < 1, got {shares}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataConfig:
        """From the plain values of a YAML file; lists become tuples, `root` a path.

        Raises:
            ValueError: a key is unknown, or a value has the wrong type or range.
        """
        values = dict(values)
        others = values.pop("also", ())
        if not isinstance(others, list | tuple):
            raise ValueError(f"data.also must be a list of data sets, got {others!r}")
        also = tuple(build(cls, merge(values, other), "data.also") for other in others)
        for config, other in zip(also, others, strict=True):
            idle = settings_without_effect(config, is_other=True)
            for name in other:
                if name in idle:
                    raise ValueError(f"data.also: {name} has no effect but with {idle[name]}")
        return build(cls, {**values, "also": also}, "data")


def settings_without_effect(config: DataConfig, is_other: bool = False) -> dict[str, str]:
    """Settings that are not as by default and change no clip, and what they go with.

    Args:
        is_other: whether it is one of the data sets in `also`.
    """
    needs = {
        "root": (config.dataset != SYNTHETIC, "a data set of files"),
        "labels": (takes_labels(config.dataset), "'cityscapes' or 'recording'"),
        "motion": (config.clips == "pseudo", "clips 'pseudo'"),
        "street": (config.clips == "street", "clips 'street'"),
        "max_stride": (
            config.frames > 1 and config.clips != "pseudo",
            "frames of at least 2 and clips 'neighbours' or 'street'",
        ),
        "share": (is_other, "data sets in also"),
        "label_mapping": (is_other, "data sets in also"),
    }
    plain = DataConfig(config.dataset, clips=config.clips)
    return {
        name: what
        for name, (has_effect, what) in needs.items()
        if not has_effect and getattr(config, name) != getattr(plain, name)
    }


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with changed values; sections are changed key by key."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def open_clips(config: DataConfig) -> ClipSource:
    """Find the data and make augmented clips of it.

    Raises:
        DatasetError: files are missing, or none of the frames has labels.
        ValueError: it is not known what the classes of one data set are in those of the first.
    """
    source = _open_augmented(config)
    if not config.also:
        return source
    parts = [Part(source, 1 - sum(other.share for other in config.also))]
    groups: tuple[tuple[int, ...], ...] = ()
    for other in config.also:
        part = _open_augmented(other)
        if other.label_mapping is not None or part.classes.names != source.classes.names:
            mapping = other.label_mapping or known_label_mapping(part.classes, source.classes)
            labels = training_labels(part.classes, source.classes, mapping, groups)
            groups = labels.groups
            part = RelabelledClips(part, source.classes, labels)
        parts.append(Part(part, other.share))
    return MixedClips(parts)


def _open_augmented(config: DataConfig) -> ClipSource:
    source = _open(config)
    if config.augmentation is not None:
        source = AugmentedClips(source, config.augmentation)
    if config.corrupt_any_frame is not None:
        source = CorruptedClips(source, config.corrupt_any_frame)
    if config.corrupt_last_frame is not None:
        source = CorruptedClips(source, config.corrupt_last_frame, last_only=True)
    if config.corrupted_copy is not None:
        source = ClipsWithCorruptedCopies(source, config.corrupted_copy)
    return source


def _open(config: DataConfig) -> ClipSource:
    if config.clips == "street":
        return StreetClips(config.street, config.frames, config.max_stride, config.split)
    dataset = open_dataset(config.dataset, config.root, config.split, config.size, config.labels)
    if config.clips == "pseudo":
        return PseudoClips(dataset, config.frames, config.motion)
    return LabelledClips(dataset, config.frames, config.max_stride)
