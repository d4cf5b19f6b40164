"""Which implementation of local attention a stream uses, in the words of a log line."""

from __future__ import annotations

from lmanet_core.runtime.segmenter import VideoSegmenter


def describe_attention(segmenter: VideoSegmenter) -> str:
    """'fused', 'tiled (and why)', or where else it is decided."""
    if segmenter.memory_size == 0:
        return "none"
    if segmenter.backend != "torch":
        return "that of the exported file"
    # A network in PyTorch: then this imports nothing new.
    from lmanet_core.ops.choice import choose_implementation
    from lmanet_core.runtime.pytorch.precision import DTYPES, resolve_device

    choice = choose_implementation(resolve_device(segmenter.device), DTYPES[segmenter.precision])
    return f"{choice.name} ({choice.reason})" if choice.reason else choice.name
