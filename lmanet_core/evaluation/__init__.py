"""How good a network is on video: agreement with the truth, and with itself over time."""

from lmanet_core.evaluation.scorer import Evaluation, FrameScore, Scorer, VideoScore, at_size_of
from lmanet_core.evaluation.stream import (
    SegmentedFrame,
    evaluate,
    score,
    segment,
    streamed_frames,
)

__all__ = [
    "Evaluation",
    "FrameScore",
    "Scorer",
    "SegmentedFrame",
    "VideoScore",
    "at_size_of",
    "evaluate",
    "score",
    "segment",
    "streamed_frames",
]
