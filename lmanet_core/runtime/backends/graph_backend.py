"""What all backends of exported graphs have in common: the stream's memory and the buffers."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import Self

from lmanet_core.network.classes import ClassTable
from lmanet_core.network.resizing import as_buffer, is_reduced, resize_image
from lmanet_core.runtime.backend import Prediction
from lmanet_core.runtime.graph_info import GraphInfo
from lmanet_core.runtime.slots import Slots

FEATURE_TYPES = {"fp32": "float32", "fp16": "float16", "int8": "float32"}
"""`GraphInfo.precision` -> type of keys and values that a whole graph takes."""
_STORED_AS = {"bfloat16": "uint16"}
"""Types that numpy has not -> those of the same size that hold them."""


class GraphBackend(ABC):
    """Runs a graph whose inputs and outputs are allocated once and stay where they are.

    Args:
        info: what the graph is, at the size at which it runs now.
        device: where memory, inputs and outputs are.

    Attributes:
        inputs: keys (S, h, w, Dk), values (S, h, w, Dv) and filled (1), by the graph's names; the
            image is missing. Empty where the graph takes no memory. Arrays, or what `zeros` gives.
        outputs: labels and confidence (H', W'), and with memory key (h, w, Dk) and
            value (h, w, Dv).
    """

    name: str
    batches = False

    def __init__(self, info: GraphInfo, device: str) -> None:
        self.info = self._file_info = info
        self._connected_size: tuple[int, int] | None = info.work_size
        self.device = device
        self.precision = info.precision
        self.memory_size = info.memory_size
        self._allocate()

    def _allocate(self) -> None:
        self.inputs: dict[str, Any] = {}
        width, height = self.info.work_size
        self.outputs: dict[str, Any] = {
            name: self.zeros((height, width), "uint8") for name in ("labels", "confidence")
        }
        self._slots: Slots | None = None
        if self.info.operator:
            self._allocate_memory()

    def _allocate_memory(self) -> None:
        width, height = self.info.feature_size
        kind = self.feature_type
        channels = {"key": self.info.key_channels, "value": self.info.value_channels}
        for name, count in channels.items():
            self.outputs[name] = self.zeros((height, width, count), kind)
            self.inputs[f"{name}s"] = self.zeros((self.memory_size, height, width, count), kind)
        self.inputs["filled"] = self.zeros((1,), "int32")
        if self.memory_size:
            self._slots = Slots(self.memory_size, self.info.write_interval)

    @property
    def feature_type(self) -> str:
        """Type of keys and values: 'float32', 'float16' or 'bfloat16'."""
        return FEATURE_TYPES[self.info.precision]

    def zeros(self, shape: tuple[int, ...], kind: str) -> Any:
        """An array on the device, of a type that is named as numpy does it, or 'bfloat16'."""
        return np.zeros(shape, _STORED_AS.get(kind, kind))

    @property
    def classes(self) -> ClassTable:
        """What the labels mean."""
        return self.info.classes

    @property
    def attention(self) -> str:
        """The form that local attention has in the file; see `Backend`."""
        return self.info.operator if self.memory_size else "none"

    @property
    def filled(self) -> int:
        """Number of past frames in memory."""
        return 0 if self._slots is None else self._slots.filled

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """The size that the graph was exported for, or one that fits the image."""
        return self._file_info.network_size(image_size)

    def reset(self) -> None:
        """Forget all frames; the slots stay as they are, and are not read."""
        if self._slots is not None:
            self._slots.clear()
            self.inputs["filled"][:] = 0

    def new_stream(self) -> Self:
        """A stream of the same loaded graph with buffers of its own; see `Backend`."""
        stream = copy.copy(self)
        stream._allocate()
        stream.connect()
        return stream

    def run(self, image: np.ndarray, *, confidence: bool) -> Prediction:
        """Segment a frame and remember it; see `Backend`."""
        size = self.network_size((image.shape[1], image.shape[0]))
        if size != self._connected_size:
            # Of another size than the frame before, so that there is nothing to remember. Should
            # this fail, the next frame tries again, whatever its size.
            self._connected_size = None
            self.info = self._file_info.at(size)
            self._allocate()
            self.connect()
            self._connected_size = size
        # A graph resizes without antialiasing, so it gets no image that needs it.
        if is_reduced(image, self.info.work_size):
            image = resize_image(image, self.info.work_size)
        self.infer(as_buffer(image), confidence)
        if self._slots is not None and (slot := self._slots.take()) is not None:
            self.inputs["keys"][slot] = self.outputs["key"]
            self.inputs["values"][slot] = self.outputs["value"]
            self.inputs["filled"][:] = self._slots.filled
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
    def infer(self, image: np.ndarray, confidence: bool) -> None:
        """Run the graph on a contiguous image: `inputs` and image to `outputs`.

        The output `confidence` may be left as it is where it is not wanted.
        """

    def fetch(self, name: str) -> np.ndarray:
        """A copy of an output for the host."""
        return self.outputs[name].copy()
