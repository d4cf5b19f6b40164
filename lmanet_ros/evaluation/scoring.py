"""How good and how steady the node's answers are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from lmanet_core import ClassTable
from lmanet_core.evaluation.consistency import TemporalConsistency, VideoConsistency
from lmanet_core.evaluation.stream import VC_FRAMES
from lmanet_core.metrics import ConfusionMatrix
from lmanet_ros.bags.survey import BagFrame
from lmanet_ros.continuity import FrameIdentity, find_break
from lmanet_ros.evaluation.answers import AnsweredFrame

MAX_FRAME_GAP = 1.0
"""Seconds between two frames beyond which they are not compared with each other."""


@dataclass(frozen=True)
class FrameScore:
    """Figures of one frame, 0..1."""

    number: int
    miou: float | None
    """Over the classes in its truth and prediction; None without truth."""
    consistency: float | None
    """Share of what the frame before shows, too, that is labelled alike; None without one."""


@dataclass(frozen=True)
class Score:
    """Figures of all answered frames, 0..1; None where nothing can be said."""

    frames: tuple[FrameScore, ...]
    labels_sha256: str
    """Of all predicted labels in order: equal for equal labels."""
    miou: float | None
    iou: dict[str, float | None]
    """Of each class of the network."""
    scored_frames: int
    """Those with usable truth."""
    temporal_consistency: float | None
    video_consistency: dict[int, float | None]
    """VC_n by n."""
    unknown_classes: tuple[str, ...]
    """Classes of the truth that the network does not know; their pixels do not count."""
    label_problems: dict[int, str] = field(default_factory=dict)
    """Why the truth of a frame could not be used, by the frame's number."""


def score(
    answers: Iterable[AnsweredFrame], classes: ClassTable, true_classes: ClassTable | None
) -> Score:
    """Compare the node's labels with the truth and with each other.

    Only classes that both know have an IoU: the pixels of others in the truth do not count, and
    predicting others is wrong.

    Args:
        answers: in order.
        classes: of the node's network.
        true_classes: of the true labels; None: the same.
    """
    scorer = _Scorer(classes, true_classes)
    for answer in answers:
        scorer.add(answer)
    return scorer.result()


def true_labels(
    answer: AnsweredFrame, classes: ClassTable, true_classes: ClassTable | None
) -> np.ndarray | None:
    """A frame's truth, (H, W) uint8 in the network's classes."""
    if answer.true is None or true_classes is None:
        return answer.true
    return true_classes.translation_to(classes)[answer.true]


def _scorable(classes: ClassTable, true_classes: ClassTable | None) -> np.ndarray:
    """(256,) uint8: the network's labels, with 255 for classes that the truth does not know."""
    if true_classes is None:
        return np.arange(256, dtype=np.uint8)
    return true_classes.translation_to(classes)[classes.translation_to(true_classes)]


def at_size_of(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Labels at the size of a picture, each pixel's label that of the nearest."""
    height, width = picture.shape[:2]
    if labels.shape == (height, width):
        return labels
    return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)


class _Scorer:
    def __init__(self, classes: ClassTable, true_classes: ClassTable | None) -> None:
        self._classes = classes
        self._true_classes = true_classes
        self._scorable = _scorable(classes, true_classes)
        self._matrix = ConfusionMatrix(len(classes))
        self._flow = TemporalConsistency()
        self._vc = {number: VideoConsistency(number) for number in VC_FRAMES}
        self._hash = hashlib.sha256()
        self._frames: list[FrameScore] = []
        self._scored = 0
        self._problems: dict[int, str] = {}
        self._before: BagFrame | None = None

    def add(self, answer: AnsweredFrame) -> None:
        frame = answer.played.frame
        self._hash.update(answer.predicted.tobytes())
        self._begin_video_where_one_ends(frame)
        predicted = at_size_of(answer.predicted, answer.image)
        consistency = self._flow.update(answer.image, predicted)
        self._frames.append(FrameScore(frame.number, self._compare(answer), consistency))

    def result(self) -> Score:
        names = self._classes.names
        iou = dict(zip(names, map(_number, self._matrix.iou().tolist()), strict=True))
        true_names = self._true_classes.names if self._true_classes else names
        return Score(
            frames=tuple(self._frames),
            labels_sha256=self._hash.hexdigest(),
            miou=_number(self._matrix.miou()),
            iou=iou if self._scored else {},
            scored_frames=self._scored,
            temporal_consistency=self._flow.value(),
            video_consistency={number: measure.value() for number, measure in self._vc.items()},
            unknown_classes=tuple(name for name in true_names if name not in names),
            label_problems=self._problems,
        )

    def _begin_video_where_one_ends(self, frame: BagFrame) -> None:
        before, self._before = self._before, frame
        if before is None:
            return
        ends = find_break(_identity(before), _identity(frame), MAX_FRAME_GAP) is not None
        if ends:
            self._flow.begin_video()
        # VC_n is of consecutive frames only.
        if ends or frame.number != before.number + 1:
            for measure in self._vc.values():
                measure.begin_video()

    def _compare(self, answer: AnsweredFrame) -> float | None:
        """Add a frame to the confusion matrix; its own mean IoU."""
        number = answer.played.frame.number
        if answer.label_problem:
            self._problems[number] = answer.label_problem
        true = true_labels(answer, self._classes, self._true_classes)
        if true is None:
            for measure in self._vc.values():
                measure.begin_video()
            return None
        predicted = self._scorable[at_size_of(answer.predicted, true)]
        own = ConfusionMatrix(len(self._classes))
        try:
            own.update(predicted, true)
        except ValueError as error:
            self._problems[number] = str(error)
            return None
        self._matrix.update(predicted, true)
        for measure in self._vc.values():
            measure.update(predicted, true)
        self._scored += 1
        return _number(own.miou())


def _identity(frame: BagFrame) -> FrameIdentity:
    return FrameIdentity(frame.stamp, frame.frame_id, frame.size or (0, 0))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
