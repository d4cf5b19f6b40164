"""Streaming inference."""

from lmanet_core.runtime.ring_buffer import RingBuffer
from lmanet_core.runtime.segmenter import SegmentationResult, VideoSegmenter

__all__ = ["RingBuffer", "SegmentationResult", "VideoSegmenter"]
