"""Several data sets in one training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lmanet_core.data.augmentation import AugmentationConfig, augment
from lmanet_core.data.clips import Clip, ClipsOfSource, ClipSource
from lmanet_core.data.label_mapping import TrainingLabels
from lmanet_core.network.classes import ClassTable


class AugmentedClips(ClipsOfSource):
    """The clips of a source, each changed as the augmentation draws it."""

    def __init__(self, source: ClipSource, augmentation: AugmentationConfig) -> None:
        super().__init__(source)
        self._augmentation = augmentation

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        return augment(self._source.clip(index, random), self._augmentation, random)


class RelabelledClips(ClipsOfSource):
    """The clips of a source with the labels of another class table.

    Args:
        source: the clips.
        classes: what the labels mean then.
        labels: for each label of the source its label among these classes, or beyond them.
    """

    def __init__(
        self,
        source: ClipSource,
        classes: ClassTable,
        labels: TrainingLabels,
    ) -> None:
        super().__init__(source)
        self.classes = classes
        self.groups = labels.groups
        self._lookup = labels.lookup

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        images, labels = self._source.clip(index, random)
        return Clip(images, self._lookup[labels])


class Part(NamedTuple):
    """A source of clips and how many of 1 are to come from it."""

    source: ClipSource
    share: float


class MixedClips:
    """Clips of several sources, drawn by their shares.

    An epoch is as long as it takes for each clip of each source to have its turn. Sources that are
    to be shuffled are drawn from at random, the others are taken in their order.

    Args:
        parts: the first one's classes are those of all; shares that sum up to 1.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.classes = parts[0].source.classes
        self.groups = max((part.source.groups for part in parts), key=len)
        self.shuffle = False
        self._parts = tuple(parts)
        self._bounds = np.cumsum([part.share for part in parts])

    def __len__(self) -> int:
        return max(round(len(part.source) / part.share) for part in self._parts)

    def clip(self, index: int, random: np.random.Generator) -> Clip:
        number = int(np.searchsorted(self._bounds[:-1], random.random(), side="right"))
        source, share = self._parts[number]
        if source.shuffle:
            return source.clip(int(random.integers(len(source))), random)
        return source.clip(int(index * share) % len(source), random)
