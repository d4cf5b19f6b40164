"""How good a network is on video: agreement with the truth, and with itself over time."""

from lmanet_core.evaluation.accumulator import Evaluation, MetricAccumulator, VideoScore
from lmanet_core.evaluation.common_classes import CommonClasses, common_classes
from lmanet_core.evaluation.dataset_evaluation import (
    SegmentedFrame,
    evaluate,
    score,
    segment,
    streamed_frames,
)
from lmanet_core.evaluation.scorer import FrameScore, Scorer, at_size_of

__all__ = [
    "CommonClasses",
    "Evaluation",
    "FrameScore",
    "MetricAccumulator",
    "Scorer",
    "SegmentedFrame",
    "VideoScore",
    "at_size_of",
    "common_classes",
    "evaluate",
    "score",
    "segment",
    "streamed_frames",
]
