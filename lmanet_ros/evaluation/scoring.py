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
from lmanet_core.evaluation.metrics import check_true_labels
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
    """By the frame's number in the recording."""
    labels_sha256: str
    """Of all predicted labels in order: equal for equal labels."""
    unknown_classes: tuple[str, ...]
    """Classes of the truth that are none of the network's; their pixels do not count."""
    label_problems: dict[int, str]
    """Why the truth of a frame could not be used, by the frame's number."""
    cloud: CloudAccumulator = field(default_factory=CloudAccumulator)
    """What figures in space are made of; of no frame where the recording has no depth."""


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
        classes: of the node's network.
        true_classes: of the true labels; None: the same.
        depths: of the recording, if it has any.
    """
    common = common_classes(classes, true_classes)
    scorer = Scorer(common.classes, common.known)
    cloud_scorer = CloudScorer(common.classes)
    cloud = CloudAccumulator()
    digest = hashlib.sha256()
    frames: dict[int, FrameScore] = {}
    problems: dict[int, str] = {}
    before: BagFrame | None = None
    for answer in answers:
        frame = answer.played.frame
        digest.update(answer.predicted.tobytes())
        _begin_where_one_ends(scorer, before, frame)
        before = frame
        predicted = common.predicted[answer.predicted]
        if answer.label_problem:
            problems[frame.number] = answer.label_problem
        try:
            if answer.true is not None and true_classes is not None:
                # Translation takes for granted that all have a meaning.
                check_true_labels(answer.true, len(true_classes))
            true = None
            if answer.true is not None and not common.is_empty:
                true = common.true[answer.true]
            frames[frame.number] = scorer.add(answer.image, predicted, true)
            if depths and true is not None:
                cloud += _score_cloud(cloud_scorer, depths, frame, predicted, true)
        except ValueError as error:
            problems[frame.number] = str(error)
            frames[frame.number] = scorer.add(answer.image, predicted)
    return Score(
        evaluation=scorer.result(),
        tally=scorer.accumulator(),
        frames=frames,
        labels_sha256=digest.hexdigest(),
        unknown_classes=common.left_out,
        label_problems=problems,
        cloud=cloud,
    )


def _score_cloud(
    cloud_scorer: CloudScorer,
    depths: Depths,
    frame: BagFrame,
    predicted: np.ndarray,
    true: np.ndarray,
) -> CloudAccumulator:
    """The counts of a frame, at the size of its true labels; none where nothing was measured."""
    measured = depths.of(frame, true.shape[::-1])
    if measured is None:
        return CloudAccumulator()
    camera, depth = measured
    return cloud_scorer.score(camera.rays(), depth, at_size_of(predicted, true), true)


def _begin_where_one_ends(scorer: Scorer, before: BagFrame | None, frame: BagFrame) -> None:
    """Say where a video ends and where frames of it were not answered."""
    if before is None:
        return
    if find_break(_identity(before), _identity(frame), MAX_FRAME_GAP) is not None:
        scorer.begin_video()
    elif frame.number != before.number + 1:
        scorer.leave_out()


def _identity(frame: BagFrame) -> FrameIdentity:
    return FrameIdentity(frame.stamp, frame.frame_id, frame.size or (0, 0))
