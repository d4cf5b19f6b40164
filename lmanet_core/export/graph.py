"""The network as graphs that compute a frame: one for all, or two around local attention.

One graph takes the camera's image and the memory and gives labels and what is to be remembered. The
two leave to their caller what this library's C++ does faster: to resize the image, to read the
memory and to turn logits into labels.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmanet_core.export.attention_forms import GraphAttention
from lmanet_core.export.pixel_unshuffle import merge_pixel_unshuffles
from lmanet_core.models import LMANet
from lmanet_core.models.enlarging_decoder import logits_of
from lmanet_core.models.memory import Projection
from lmanet_core.runtime.pytorch.folding import fold_batch_norms


class SingleFrameGraph(nn.Module):
    """The network without memory; see `StreamingGraph` for what goes in and out.

    Args:
        model: the network; it stays as it is.
        work_size: (width, height) at which the network runs; its `size_rule` must allow it.
        dtype: dtype of all weights and features.
    """

    def __init__(self, model: LMANet, work_size: tuple[int, int], dtype: torch.dtype) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        fold_batch_norms(self.model)
        merge_pixel_unshuffles(self.model)
        self.model.to(dtype)
        self.work_size = work_size
        self.dtype = dtype

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(H, W, 3) uint8 -> labels, confidence."""
        return self.classify(self.model.encoder(self.normalize(image)))

    def normalize(self, image: Tensor) -> Tensor:
        """(H, W, 3) uint8 -> (1, 3, H', W') in 0..1 at working size."""
        width, height = self.work_size
        # Cast before all else: TensorRT does nothing else with uint8.
        pixels = image.float().permute(2, 0, 1)[None]
        pixels = functional.interpolate(pixels, (height, width), mode="bilinear")
        # To whole steps of brightness, as the library's own resizing does.
        return (pixels.round() / 255).to(self.dtype)

    def logits(self, image: Tensor) -> Tensor:
        """(H', W', 3) uint8 -> (1, classes, h', w'), before the resize that a decoder ends with."""
        return logits_of(self.model.decoder, self.model.encoder(self.scale(image))).values

    def scale(self, image: Tensor) -> Tensor:
        """(H', W', 3) uint8 -> (1, 3, H', W') in 0..1."""
        return (_channels_first(image).float() / 255).to(self.dtype)

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(1, C, h, w) -> labels and confidence, (H', W') uint8."""
        logits = self.model.decoder(features).squeeze(0).float()
        best = logits.amax(0, keepdim=True)
        confidence = 255 / (logits - best).exp().sum(0)
        # By way of float: TensorRT casts nothing else to uint8.
        labels = logits.argmax(0).float().to(torch.uint8)
        return labels, confidence.round().to(torch.uint8)


class Encoded(NamedTuple):
    """What of a frame goes around or through local attention, and what is remembered of it.

    Channels are innermost, as the kernel and most libraries take them.
    """

    query: Tensor
    """(h, w, Dk)."""
    key: Tensor
    """(h, w, Dk)."""
    features: Tensor
    """(h, w, C), what the decoder reads while the memory is empty."""
    query_value: Tensor
    """(h, w, Dv)."""
    value: Tensor
    """(h, w, Dv)."""


class StreamingGraph(SingleFrameGraph):
    """One step of a stream. The caller keeps the memory and writes each new key and value into it.

    Args:
        attention: one of `lmanet_core.export.attention_forms.FORMS`; None: the caller's, who takes
            `encode` and `decode`.

    Raises:
        ValueError: the model has no memory, or one without a window.
    """

    def __init__(
        self,
        model: LMANet,
        work_size: tuple[int, int],
        dtype: torch.dtype,
        attention: GraphAttention | None,
    ) -> None:
        super().__init__(model, work_size, dtype)
        memory = self.model.memory
        if memory is None or memory.window_size is None:
            raise ValueError("expected a network with a memory and a window")
        self.memory = memory
        self.window_size = memory.window_size
        self.attention = attention

    def forward(  # type: ignore[override]
        self, image: Tensor, keys: Tensor, values: Tensor, filled: Tensor
    ) -> tuple[Tensor, ...]:
        """Segment a frame.

        Args:
            image: (H, W, 3) uint8, RGB, of any size.
            keys: (S, h, w, Dk), the memory's slots in any order.
            values: (S, h, w, Dv).
            filled: (1) int32, the first so many slots hold a frame; 0 segments the frame alone.

        Returns:
            labels (H', W') uint8, confidence (H', W') uint8 where 255 is certain, key (h, w, Dk)
            and value (h, w, Dv) to remember.
        """
        assert self.attention is not None
        frame = self._project(self.normalize(image))
        query, key = _channels_last(frame.query_key), _channels_last(frame.memory_key)
        read = self.attention(query, keys, values, filled, self.window_size)
        fused = self._fuse(read, frame.query_value, frame.features, filled)
        return *self.classify(fused), key, _channels_last(frame.memory_value)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """All that comes before local attention, of an image (H', W', 3) uint8.

        Returns:
            An `Encoded`, cut off after the features where values are nothing else.
        """
        frame = self._project(self.scale(image))
        tensors = [frame.query_key, frame.memory_key, frame.features]
        if not self.memory.passes_values:
            tensors += [frame.query_value, frame.memory_value]
        return tuple(map(_channels_last, tensors))

    def decode(
        self, read: Tensor, features: Tensor, filled: Tensor, query_value: Tensor | None = None
    ) -> Tensor:
        """All that comes after it: read (h, w, Dv) and the rest as in `encode` -> `logits`."""
        features = _channels_first(features)
        query_value = features if query_value is None else _channels_first(query_value)
        fused = self._fuse(read, query_value, features, filled)
        return logits_of(self.model.decoder, fused).values

    def _project(self, pixels: Tensor) -> Projection:
        return self.memory.project(self.model.encoder(pixels))

    def _fuse(self, read: Tensor, query_value: Tensor, features: Tensor, filled: Tensor) -> Tensor:
        fused = self.memory.fusion(query_value, _channels_first(read), features)
        # An empty memory says nothing: the decoder reads the features themselves.
        # The condition has the features' dimensions, so that no library changes their layout.
        return torch.where((filled > 0).reshape(1, 1, 1, 1), fused, features)


def _channels_last(tensor: Tensor) -> Tensor:
    """(1, C, h, w) -> (h, w, C)."""
    return tensor.permute(0, 2, 3, 1).squeeze(0)


def _channels_first(tensor: Tensor) -> Tensor:
    """(h, w, C) -> (1, C, h, w)."""
    return tensor[None].permute(0, 3, 1, 2)


class Part(nn.Module):
    """One method of a graph as a graph of its own."""

    def __init__(self, graph: SingleFrameGraph, method: str) -> None:
        super().__init__()
        # Not `graph`: the exporter's own modules call something so.
        self.whole = graph
        self.method = method

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...] | Tensor:
        """What the method gives."""
        return getattr(self.whole, self.method)(*inputs)
