"""The seam between the backends of exported graphs on the CPU and the libraries that run graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np

RUNTIMES = ("openvino", "onnxruntime")
"""Those of `lmanet_core.runtime.BACKENDS` that run graphs on CPUs, the faster one first."""

Shapes = Mapping[str, tuple[int, ...]]
"""Of a graph's inputs, by their names."""

Run = Callable[[Mapping[str, np.ndarray]], None]
"""Runs a graph on the arrays it is bound to and on those given, which are elsewhere every time."""


class CpuGraph(Protocol):
    """A graph that a library has loaded."""

    @property
    def name(self) -> str:
        """One of `lmanet_core.runtime.BACKENDS`."""

    @property
    def precision(self) -> str:
        """What it computes in."""

    @property
    def port_type(self) -> str:
        """Of its inputs and outputs but image and `filled`: 'float32', or 'bfloat16' as uint16."""

    def bind(self, arrays: Mapping[str, np.ndarray]) -> Run:
        """Let one stream's runs read inputs and write outputs where they are, by their names.

        The caller keeps the arrays.
        """


class GraphSource(NamedTuple):
    """What a library loads: a model, or two that run as one where there is no memory."""

    origin: str
    """The file it is from, for messages."""
    model: bytes
    """An ONNX model, or an OpenVINO model's XML."""
    weights: bytes | None = None
    """Those of OpenVINO's XML."""
    after: GraphSource | None = None
    """The model whose `features` are those that the first one gives; all else that belongs to the
    memory is left out of both."""
