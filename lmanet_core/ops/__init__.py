"""Operators: local attention between a frame and the frames in memory, and its scores."""

from lmanet_core.ops.functional import default_implementation, local_attention, local_correlation

__all__ = ["default_implementation", "local_attention", "local_correlation"]
