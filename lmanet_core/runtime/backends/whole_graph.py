"""A step of a stream as one graph: plain ONNX files."""

from __future__ import annotations

import numpy as np

from lmanet_core.runtime.backends.cpu_graph import CpuGraph
from lmanet_core.runtime.backends.graph_backend import GraphBackend
from lmanet_core.runtime.graph_info import GraphInfo


class WholeGraphBackend(GraphBackend):
    """Runs `lmanet_core.export.graph.StreamingGraph`, or the one of a single frame.

    Args:
        info: what the graph is.
        graph: the graph, loaded.
    """

    def __init__(self, info: GraphInfo, graph: CpuGraph) -> None:
        super().__init__(info, "cpu")
        self.name = graph.name
        self.precision = graph.precision
        self._graph = graph
        self.connect()

    def connect(self) -> None:
        """Bind the buffers."""
        self._run = self._graph.bind({**self.inputs, **self.outputs})

    def infer(self, image: np.ndarray, confidence: bool) -> None:
        """Run the graph; the image is read where it is."""
        self._run({"image": image})
