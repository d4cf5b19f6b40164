"""A step of a stream as two graphs, with the kernel in between: network files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from lmanet_core import kernel
from lmanet_core.network.resizing import as_buffer, resize
from lmanet_core.runtime.backends.cpu_graph import CpuGraph, Shapes
from lmanet_core.runtime.backends.graph_backend import GraphBackend
from lmanet_core.runtime.graph_info import GraphInfo

LoadGraphs = Callable[[tuple[int, int]], Mapping[str, CpuGraph]]


def input_shapes(info: GraphInfo) -> dict[str, Shapes]:
    """What the graphs of a network file take at the size that `info` has, by their names."""
    width, height = info.work_size
    image = {"image": (height, width, 3)}
    width, height = info.feature_size
    after = {
        "read": (height, width, info.value_channels),
        "query_value": (1, info.value_channels, height, width),
        "features": (1, info.feature_channels, height, width),
    }
    return {"frame": image, "before": image, "after": after}


class SplitGraphBackend(GraphBackend):
    """Runs the graphs of a network file, see `lmanet_core.runtime.network_file`.

    The kernel reads the memory where it is, and turns logits into labels.

    Args:
        info: what the file is.
        load: gives the graphs, by their names without suffix, for a (width, height) at which the
            network runs.
        threads: of the kernel.
    """

    def __init__(self, info: GraphInfo, load: LoadGraphs, threads: int) -> None:
        self._load = load
        self._threads = threads
        self._window_size: int = info.config["window_size"]
        first = next(iter(load(info.work_size).values()))
        self._feature_type = first.port_type
        super().__init__(info, "cpu")
        self.name = first.name
        self.precision = first.precision
        self.connect()

    @property
    def feature_type(self) -> str:
        """That of the graphs; the kernel computes in it, too."""
        return self._feature_type

    def connect(self) -> None:
        """Bind the buffers, and make those that are between the graphs."""
        graphs = self._load(self.info.work_size)
        width, height = self.info.logits_size or self.info.work_size
        kind = self.feature_type
        logits = self.zeros((1, len(self.classes), height, width), kind)
        self._logits = logits[0]
        if not self.info.operator:
            self._run = graphs["frame"].bind({"logits": logits})
            return
        width, height = self.info.feature_size
        key_channels, value_channels = self.info.key_channels, self.info.value_channels
        # Kept: the graphs know their addresses only.
        self._between = between = {
            "query_value": self.zeros((1, value_channels, height, width), kind),
            "features": self.zeros((1, self.info.feature_channels, height, width), kind),
        }
        query = self.zeros((1, key_channels, height, width), kind)
        read = self.zeros((height, width, value_channels), kind)
        newest = {name: self.outputs[name] for name in ("key", "value")}
        self._run = graphs["before"].bind({"query": query, **between, **newest})
        self._run_after = graphs["after"].bind(
            {"read": read, **between, "filled": self.inputs["filled"], "logits": logits}
        )
        # As the kernel takes them: views with their channels in front of the rows.
        self._query, self._read = query[0], read.transpose(2, 0, 1)
        self._keys, self._values = (
            self.inputs[name].transpose(0, 3, 1, 2) for name in ("keys", "values")
        )

    def infer(self, image: np.ndarray, confidence: bool) -> None:
        """Run the graphs; an image of the work size is read where it is."""
        image = as_buffer(resize(image, self.info.work_size, cv2.INTER_LINEAR))
        self._run({"image": image})
        if self.info.operator:
            if filled := self.filled:
                keys, values = self._keys[:filled], self._values[:filled]
                kernel.local_attention(
                    self._query, keys, values, self._read, self._window_size, self._threads
                )
            self._run_after({})
        wanted = self.outputs["confidence"] if confidence else None
        kernel.classify(
            self._logits,
            self.outputs["labels"],
            wanted,
            self._threads,
            corners_aligned=self.info.corners_aligned,
        )
