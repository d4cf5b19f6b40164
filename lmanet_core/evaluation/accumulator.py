"""What the figures of an evaluation are made of, so that those of several can be added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lmanet_core.evaluation.confusion_matrix import ConfusionMatrix
from lmanet_core.output.counts import Counts


@dataclass(frozen=True)
class VideoScore:
    """Figures of one video; as those of all frames, see `Evaluation`."""

    miou: float | None
    iou: dict[str, float | None]


@dataclass(frozen=True)
class Evaluation:
    """Figures of all frames.

    Attributes:
        miou: 0..1, mean over the classes that occur; None if nothing was compared with truth.
        iou: IoU of each class by name, 0..1; None for a class that occurs neither in truth nor in
            prediction.
        temporal_consistency: 0..1, see `TemporalConsistency`; None if no two frames follow each
            other.
        vc8, vc16: 0..1, see `VideoConsistency`; None where no run of frames with labels is that
            long.
        frames: number of frames that were compared with the truth.
        videos: scores of each video that has a name and was compared with the truth, by that name.
    """

    miou: float | None
    iou: dict[str, float | None]
    temporal_consistency: float | None
    vc8: float | None
    vc16: float | None
    frames: int
    videos: dict[str, VideoScore] = field(default_factory=dict)


@dataclass(frozen=True)
class Ratio(Counts):
    """A share as the two numbers that it is the quotient of."""

    part: float = 0
    whole: int = 0

    @property
    def value(self) -> float | None:
        """None where there is nothing to have a share of."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True)
class MetricAccumulator(Counts):
    """Counts of an evaluation. The sum of two is that of both together.

    Attributes:
        classes: names, in the order of the labels.
        confusion: for each true class how often each class, and last no class, was predicted.
        frames: number of frames that were compared with the truth.
        consistency: pixels that follow the motion, of those that are visible.
        vc8, vc16: sum of the shares of all runs of so many frames, and their number.
    """

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    frames: int
    consistency: Ratio
    vc8: Ratio
    vc16: Ratio

    def __add__(self, other: MetricAccumulator) -> MetricAccumulator:
        """Both together.

        Raises:
            ValueError: they are of different classes.
        """
        if self.classes != other.classes:
            raise ValueError(
                "only evaluations of the same classes can be added, these are of "
                f"{', '.join(self.classes)} and of {', '.join(other.classes)}"
            )
        return super().__add__(other)

    def evaluation(self) -> Evaluation:
        """The figures."""
        matrix = ConfusionMatrix.from_counts(np.array(self.confusion))
        return Evaluation(
            miou=number(matrix.miou()),
            iou=named_iou(self.classes, matrix),
            temporal_consistency=self.consistency.value,
            vc8=self.vc8.value,
            vc16=self.vc16.value,
            frames=self.frames,
        )


def named_iou(classes: Sequence[str], matrix: ConfusionMatrix) -> dict[str, float | None]:
    """IoU of each class by name, None for a class that does not occur."""
    return dict(zip(classes, map(number, matrix.iou().tolist()), strict=True))


def number(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)
