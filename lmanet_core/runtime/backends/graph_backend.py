"""What all backends of exported graphs have in common: the stream's memory and the buffers."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from lmanet_core.resizing import is_reduced, resize_image
from lmanet_core.runtime.backend import Prediction
from lmanet_core.runtime.graph_info import GraphInfo
from lmanet_core.runtime.images import as_buffer
from lmanet_core.runtime.ring_buffer import RingBuffer

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


class GraphBackend(ABC):
    """Runs a graph whose inputs and outputs are allocated once and stay where they are.

    Args:
        info: what the graph is.
        device: where memory, inputs and outputs are.

    Attributes:
        inputs: keys (S, h, w, Dk), values (S, h, w, Dv) and filled (1), by the graph's names; the
            image is missing. Empty without memory.
        outputs: labels and confidence (H', W'), and with memory key (h, w, Dk), value (h, w, Dv).
    """

    name: str
    batches = False

    def __init__(self, info: GraphInfo, device: torch.device) -> None:
        self.info = info
        self.device = device
        self.dtype = DTYPES[info.precision]
        self.memory_size = info.memory_size
        self._allocate()

    def _allocate(self) -> None:
        self.inputs: dict[str, Tensor] = {}
        width, height = self.info.work_size
        self.outputs = {
            name: torch.zeros((height, width), dtype=torch.uint8, device=self.device)
            for name in ("labels", "confidence")
        }
        self._store: RingBuffer | None = None
        if self.memory_size:
            self._allocate_memory(RingBuffer(self.memory_size, self.info.write_interval))

    def _allocate_memory(self, store: RingBuffer) -> None:
        width, height = self.info.feature_size
        channels = {"key": self.info.key_channels, "value": self.info.value_channels}
        for name, count in channels.items():
            self.outputs[name] = torch.zeros(
                (height, width, count), dtype=DTYPES[self.info.precision], device=self.device
            )
        self._store = store
        slots = store.allocate(*self._newest())
        # Channels are innermost in the slots: views without a batch, no copies.
        keys, values = (tensor[0].permute(0, 2, 3, 1) for tensor in slots)
        filled = torch.zeros(1, dtype=torch.int32, device=self.device)
        self.inputs = {"keys": keys, "values": values, "filled": filled}

    @property
    def filled(self) -> int:
        """Number of past frames in memory."""
        return 0 if self._store is None else self._store.filled

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """The size that the graph was exported for, whatever the image's."""
        return self.info.work_size

    def reset(self) -> None:
        """Forget all frames; the slots stay as they are, and are not read."""
        if self._store is not None:
            self._store.clear()
            self.inputs["filled"].zero_()

    def new_stream(self) -> Self:
        """The same loaded graph with buffers of its own; see `Backend`."""
        stream = copy.copy(self)
        stream._allocate()
        stream.connect()
        return stream

    @torch.inference_mode()
    def run(self, image: np.ndarray, *, confidence: bool) -> Prediction:
        """Segment a frame and remember it; see `Backend`."""
        # A graph resizes without antialiasing, so it gets no image that needs it.
        if is_reduced(image, self.info.work_size):
            image = resize_image(image, self.info.work_size)
        self.infer(as_buffer(image))
        if self._store is not None:
            self._store.write(*self._newest())
            self.inputs["filled"].fill_(self._store.filled)
        return Prediction(self.fetch("labels"), self.fetch("confidence") if confidence else None)

    def run_together(
        self, streams: Sequence[Self], images: Sequence[np.ndarray], *, confidence: bool
    ) -> list[Prediction]:
        """One after the other, because a graph takes one image; see `Backend`."""
        return [
            stream.run(image, confidence=confidence)
            for stream, image in zip(streams, images, strict=True)
        ]

    @abstractmethod
    def connect(self) -> None:
        """Make the loaded graph work on `inputs` and `outputs`."""

    @abstractmethod
    def infer(self, image: np.ndarray) -> None:
        """Run the graph on a contiguous image: `inputs` and image to `outputs`."""

    def fetch(self, name: str) -> np.ndarray:
        """A copy of an output for the host."""
        return self.outputs[name].numpy().copy()

    def _newest(self) -> tuple[Tensor, Tensor]:
        """The new key and value as frames of a batch of one, (1, D, h, w)."""
        key, value = (self.outputs[name][None].permute(0, 3, 1, 2) for name in ("key", "value"))
        return key, value
