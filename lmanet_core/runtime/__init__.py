"""Streaming inference. Importing it needs no PyTorch; what does is in the folder `pytorch`."""

from typing import TYPE_CHECKING, Any

from lmanet_core.program.extras import needs_extra
from lmanet_core.runtime.backend import Backend, Prediction
from lmanet_core.runtime.backend_choice import Choice, backend_names, choose_backend
from lmanet_core.runtime.graph_info import GraphFileError
from lmanet_core.runtime.opening import open_segmenter
from lmanet_core.runtime.segmenter import SegmentationResult, VideoSegmenter, step_together

if TYPE_CHECKING:
    from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer

__all__ = [
    "Backend",
    "Choice",
    "GraphFileError",
    "Prediction",
    "RingBuffer",
    "SegmentationResult",
    "VideoSegmenter",
    "backend_names",
    "choose_backend",
    "open_segmenter",
    "step_together",
]


def __getattr__(name: str) -> Any:
    if name != "RingBuffer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs_extra("torch", "lmanet_core.runtime.RingBuffer"):
        from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer
    return RingBuffer
