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
        "features": _frame_shape(info, info.feature_channels),
        "filled": (1,),
    }
    if not (info.channels_last and info.passes_values):
        after["query_value"] = _frame_shape(info, info.value_channels)
    return {"frame": image, "before": image, "after": after}


def _frame_shape(info: GraphInfo, channels: int) -> tuple[int, ...]:
    """Shape of the features that the graph before the memory gives."""
    width, height = info.feature_size
    return (height, width, channels) if info.channels_last else (1, channels, height, width)


class SplitGraphBackend(GraphBackend):
    """Runs the graphs of a network file, see `lmanet_core.runtime.network_file`.

    The kernel reads the memory where it is, and turns logits into labels.

    Files without `channels_last` give query, query values and features as (1, C, h, w), and values
    also where they are the features.

    Args:
        info: what the file is.
        load: gives the graphs, by their names without suffix, for a (width, height) at which the
            network runs.
        threads: threads of the kernel.
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
        """Type of the graphs' features; the kernel computes in it, too."""
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
        # Kept: the graphs know their addresses only.
        shapes = input_shapes(self.info)["after"]
        self._after = after = {name: self.zeros(shape, kind) for name, shape in shapes.items()}
        after["filled"] = self.inputs["filled"]
        frame = {name: array for name, array in after.items() if name not in ("read", "filled")}
        if self.info.channels_last and self.info.passes_values:
            frame["features"] = after["features"] = self.outputs["value"]
        else:
            frame["value"] = self.outputs["value"]
        query = self.zeros(_frame_shape(self.info, self.info.key_channels), kind)
        self._run = graphs["before"].bind({"query": query, "key": self.outputs["key"], **frame})
        self._run_after = graphs["after"].bind({**after, "logits": logits})
        # As the kernel takes them: views with their channels in front of the rows.
        self._query = query.transpose(2, 0, 1) if self.info.channels_last else query[0]
        self._read = after["read"].transpose(2, 0, 1)
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
