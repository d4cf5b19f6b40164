"""Streaming inference. Importing it needs no PyTorch; what does is in the folder `pytorch`."""

from lmanet_core.runtime.backend import Backend, Prediction
from lmanet_core.runtime.backend_choice import Choice, backend_names, choose_backend
from lmanet_core.runtime.graph_info import GraphFileError
from lmanet_core.runtime.opening import open_segmenter
from lmanet_core.runtime.segmenter import SegmentationResult, VideoSegmenter, step_together

__all__ = [
    "Backend",
    "Choice",
    "GraphFileError",
    "Prediction",
    "SegmentationResult",
    "VideoSegmenter",
    "backend_names",
    "choose_backend",
    "open_segmenter",
    "step_together",
]
