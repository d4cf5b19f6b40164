"""How good a network is on video: agreement with the truth, and with itself over time."""

from lmanet_core.evaluation.stream import (
    Evaluation,
    SegmentedFrame,
    evaluate,
    score,
    segment,
    streamed_frames,
)

__all__ = [
    "Evaluation",
    "SegmentedFrame",
    "evaluate",
    "score",
    "segment",
    "streamed_frames",
]
