"""Video semantic segmentation with local memory attention; free of ROS.

Importing it needs no PyTorch: what does, is imported when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from lmanet_core.checkpoint import CheckpointError, load, load_provenance, save_checkpoint
from lmanet_core.data.video_files import read_video
from lmanet_core.network.classes import CITYSCAPES, ClassTable
from lmanet_core.network.model_config import ModelConfig
from lmanet_core.program.extras import needs_extra
from lmanet_core.runtime.opening import open_segmenter
from lmanet_core.runtime.segmenter import SegmentationResult, VideoSegmenter

if TYPE_CHECKING:
    from lmanet_core.models import LMANet, build_model

__all__ = [
    "CITYSCAPES",
    "CheckpointError",
    "ClassTable",
    "LMANet",
    "ModelConfig",
    "SegmentationResult",
    "VideoSegmenter",
    "build_model",
    "load",
    "load_provenance",
    "open_segmenter",
    "read_video",
    "save_checkpoint",
]


def __getattr__(name: str) -> Any:
    if name not in ("LMANet", "build_model"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs_extra("torch", f"lmanet_core.{name}"):
        from lmanet_core import models
    return getattr(models, name)
