"""Video semantic segmentation with local memory attention; free of ROS."""

from lmanet_core.checkpoint import CheckpointError, load, load_provenance, save_checkpoint
from lmanet_core.classes import CITYSCAPES, ClassTable
from lmanet_core.config import ModelConfig
from lmanet_core.models import LMANet, build_model
from lmanet_core.runtime.segmenter import SegmentationResult, VideoSegmenter

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
    "save_checkpoint",
]
