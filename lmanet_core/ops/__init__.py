"""Operators: local attention between a frame and the frames in memory."""

from lmanet_core.ops.functional import local_attention

__all__ = ["local_attention"]
