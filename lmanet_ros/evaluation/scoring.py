"""How good and how steady the node's answers are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from lmanet_core import ClassTable
from lmanet_core.cloud.cloud_scorer import CloudAccumulator, CloudScorer
from lmanet_core.evaluation import (
    Evaluation,
    FrameScore,
    MetricAccumulator,
    Scorer,
    at_size_of,
    common_classes,
)
from lmanet_core.evaluation.confusion_matrix import check_true_labels
from lmanet_ros.bags.survey import BagFrame
from lmanet_ros.evaluation.answers import AnsweredFrame
from lmanet_ros.evaluation.depths import Depths
from lmanet_ros.node.inference.continuity import FrameIdentity, find_break

MAX_FRAME_GAP = 1.0
"""Seconds between two frames beyond which they are not compared with each other."""


@dataclass(frozen=True)
class Score:
    """Figures of all answered frames."""

    evaluation: Evaluation
    tally: MetricAccumulator
    """What the evaluation's figures are made of."""
    frames: dict[int, FrameScore]
    """Scores by the number of the frame in the recording."""
    labels_sha256: str
    """Hash of all predicted labels in order: equal for equal labels."""
    unknown_classes: tuple[str, ...]
    """Classes of the truth that are none of the network's; their pixels do not count."""
    label_problems: dict[int, str]
    """Why the truth of a frame could not be used, by the frame's number."""
    cloud: CloudAccumulator = field(default_factory=CloudAccumulator)
    """Counts that figures in space are made of; empty where the recording has no depth."""


def score(
    answers: Iterable[AnsweredFrame],
    classes: ClassTable,
    true_classes: ClassTable | None,
    depths: Depths | None = None,
) -> Score:
    """Compare the node's labels with the truth and with each other.

    Only classes that both know have an IoU, see `common_classes`: the pixels of others in the truth
    do not count, and predicting others is wrong.

    Args:
        answers: in order.
        classes: classes of the node's network.
        true_classes: classes of the true labels; None: the same.
        depths: depths of the recording, if it has any.
    """
    scorer = AnswerScorer(classes, true_classes, depths)
    for answer in answers:
        scorer.add(answer)
    return scorer.result()


class AnswerScorer:
    """Scores answers one after the other; arguments and meaning are those of `score`."""

    def __init__(
        self, classes: ClassTable, true_classes: ClassTable | None, depths: Depths | None = None
    ) -> None:
        self.common = common_classes(classes, true_classes)
        self._true_classes = true_classes
        self._depths = depths
        self._scorer = Scorer(self.common.classes, self.common.known)
        self._cloud_scorer = CloudScorer(self.common.classes)
        self._cloud = CloudAccumulator()
        self._digest = hashlib.sha256()
        self._frames: dict[int, FrameScore] = {}
        self._problems: dict[int, str] = {}
        self._before: BagFrame | None = None

    def add(self, answer: AnsweredFrame) -> None:
        """Score the next answer."""
        frame = answer.played.frame
        self._digest.update(answer.predicted.tobytes())
        self._begin_where_one_ends(frame)
        predicted = self.common.predicted[answer.predicted]
        if answer.label_problem:
            self._problems[frame.number] = answer.label_problem
        try:
            if answer.true is not None and self._true_classes is not None:
                # Translation takes for granted that all have a meaning.
                check_true_labels(answer.true, len(self._true_classes))
            true = None
            if answer.true is not None and not self.common.is_empty:
                true = self.common.true[answer.true]
            self._frames[frame.number] = self._scorer.add(answer.image, predicted, true)
            if true is not None:
                self._cloud += self._score_cloud(frame, predicted, true)
        except ValueError as error:
            self._problems[frame.number] = str(error)
            self._frames[frame.number] = self._scorer.add(answer.image, predicted)

    def result(self) -> Score:
        """The figures of all that was added."""
        return Score(
            evaluation=self._scorer.result(),
            tally=self._scorer.accumulator(),
            frames=self._frames,
            labels_sha256=self._digest.hexdigest(),
            unknown_classes=self.common.left_out,
            label_problems=self._problems,
            cloud=self._cloud,
        )

    def _score_cloud(
        self, frame: BagFrame, predicted: np.ndarray, true: np.ndarray
    ) -> CloudAccumulator:
        """The counts of a frame, at the size of its true labels; none if nothing was measured."""
        measured = self._depths and self._depths.of(frame, true.shape[::-1])
        if not measured:
            return CloudAccumulator()
        camera, depth = measured
        return self._cloud_scorer.score(camera.rays(), depth, at_size_of(predicted, true), true)

    def _begin_where_one_ends(self, frame: BagFrame) -> None:
        """Say where a video ends and where frames of it were not answered."""
        before, self._before = self._before, frame
        if before is None:
            return
        if find_break(_identity(before), _identity(frame), MAX_FRAME_GAP) is not None:
            self._scorer.begin_video()
        elif frame.number != before.number + 1:
            self._scorer.leave_out()


def _identity(frame: BagFrame) -> FrameIdentity:
    return FrameIdentity(frame.stamp, frame.frame_id, frame.size or (0, 0))
