"""Streaming inference."""

from lmanet_core.runtime.backend import Backend, Prediction
from lmanet_core.runtime.choice import BACKENDS, Choice, choose_backend, open_segmenter
from lmanet_core.runtime.graph_info import GraphFileError
from lmanet_core.runtime.ring_buffer import RingBuffer
from lmanet_core.runtime.segmenter import SegmentationResult, VideoSegmenter, step_together

__all__ = [
    "BACKENDS",
    "Backend",
    "Choice",
    "GraphFileError",
    "Prediction",
    "RingBuffer",
    "SegmentationResult",
    "VideoSegmenter",
    "choose_backend",
    "open_segmenter",
    "step_together",
]
