"""How good a network is on video: agreement with the truth, and with itself over time."""

from lmanet_core.evaluation.common_classes import CommonClasses, common_classes
from lmanet_core.evaluation.scorer import FrameScore, Scorer, at_size_of
from lmanet_core.evaluation.stream import (
    SegmentedFrame,
    evaluate,
    score,
    segment,
    streamed_frames,
)
from lmanet_core.evaluation.tally import Evaluation, Tally, VideoScore

__all__ = [
    "CommonClasses",
    "Evaluation",
    "FrameScore",
    "Scorer",
    "SegmentedFrame",
    "Tally",
    "VideoScore",
    "at_size_of",
    "common_classes",
    "evaluate",
    "score",
    "segment",
    "streamed_frames",
]
