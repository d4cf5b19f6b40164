"""Operators: local attention between a frame and the frames in memory, and its scores."""

from lmanet_core.ops.functional import local_attention, local_correlation

__all__ = ["local_attention", "local_correlation"]
