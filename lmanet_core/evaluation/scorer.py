"""All figures of predicted labels, whoever predicted them and wherever the truth is from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lmanet_core.evaluation.accumulator import (
    Evaluation,
    MetricAccumulator,
    VideoScore,
    named_iou,
    number,
)
from lmanet_core.evaluation.common_classes import countable
from lmanet_core.evaluation.confusion_matrix import ConfusionMatrix
from lmanet_core.evaluation.consistency import TemporalConsistency, VideoConsistency
from lmanet_core.network.classes import ClassTable
from lmanet_core.network.resizing import resize


@dataclass(frozen=True)
class FrameScore:
    """Figures of one frame, 0..1.

    Attributes:
        miou: over the classes in its truth and prediction; None without truth.
        consistency: share of what the frame before shows, too, that is labelled alike; None
            without one.
    """

    miou: float | None
    consistency: float | None


class Scorer:
    """Scores frames that come one after the other.

    Args:
        classes: what labels, predicted and true, mean.
        known: classes that the truth knows; None: all. Predicting others is wrong, and they have
            no IoU.
    """

    def __init__(self, classes: ClassTable, known: ClassTable | None = None) -> None:
        self._classes = classes
        self._countable = countable(classes, known)
        self._matrix = ConfusionMatrix(len(classes))
        self._flow = TemporalConsistency()
        self._vc8, self._vc16 = VideoConsistency(8), VideoConsistency(16)
        self._frames = 0
        self._videos: dict[str, ConfusionMatrix] = {}
        self._video: str | None = None

    def begin_video(self, name: str | None = None) -> None:
        """Begin a new video, which is not compared with the one before. With a name it also has
        figures of its own."""
        self._video = name
        self._flow.begin_video()
        self.leave_out()

    def leave_out(self) -> None:
        """A frame is missing here: runs of frames end, motion can be followed across."""
        self._vc8.begin_video()
        self._vc16.begin_video()

    def add(
        self, image: np.ndarray, predicted: np.ndarray, true: np.ndarray | None = None
    ) -> FrameScore:
        """Add the next frame of the video.

        Args:
            image: (H, W, 3) uint8, RGB.
            predicted: uint8 labels of any size; compared at the sizes of image and truth.
            true: uint8 labels with 255 where nothing is scored; None: not known.

        Raises:
            ValueError: a true label is not a class. Nothing was added.
        """
        miou = self._compare(predicted, true)
        consistency = self._flow.update(image, at_size_of(predicted, image))
        return FrameScore(miou, consistency)

    def result(self) -> Evaluation:
        """Figures of all frames so far."""
        videos = {
            name: VideoScore(number(matrix.miou()), named_iou(self._classes.names, matrix))
            for name, matrix in self._videos.items()
        }
        return replace(self.accumulator().evaluation(), videos=videos)

    def accumulator(self) -> MetricAccumulator:
        """What the figures are made of."""
        return MetricAccumulator(
            classes=self._classes.names,
            confusion=tuple(map(tuple, self._matrix.counts.tolist())),
            frames=self._frames,
            consistency=self._flow.ratio,
            vc8=self._vc8.ratio,
            vc16=self._vc16.ratio,
        )

    def _compare(self, predicted: np.ndarray, true: np.ndarray | None) -> float | None:
        if true is None:
            self.leave_out()
            return None
        predicted = self._countable[at_size_of(predicted, true)]
        matrix = ConfusionMatrix(len(self._classes))
        matrix.update(predicted, true)
        self._matrix.add(matrix)
        if self._video is not None:
            self._videos.setdefault(self._video, ConfusionMatrix(len(self._classes))).add(matrix)
        self._vc8.update(predicted, true)
        self._vc16.update(predicted, true)
        self._frames += 1
        return number(matrix.miou())


def at_size_of(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Labels at the size of a picture, each pixel's label that of the nearest."""
    return resize(labels, (picture.shape[1], picture.shape[0]), cv2.INTER_NEAREST)
