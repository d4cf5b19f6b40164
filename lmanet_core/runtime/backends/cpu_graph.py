"""The seam between the backends of exported graphs on the CPU and the libraries that run graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from lmanet_core.program.registry import Registry

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of a graph's inputs, by their names."""

Run = Callable[[Mapping[str, np.ndarray]], None]
"""Runs a graph on the arrays it is bound to and on those given, which are elsewhere every time."""


class GraphSource(NamedTuple):
    """What a runtime loads: one model, or two that run as one where there is no memory."""

    origin: str
    """The file it is from, for messages."""
    model: bytes
    """An ONNX model, or an OpenVINO model's XML."""
    weights: bytes | None = None
    """Weights, of a model in OpenVINO's XML."""
    after: GraphSource | None = None
    """The model whose `features` are those that the first one gives; all else that belongs to the
    memory is left out of both."""


class GraphOptions(NamedTuple):
    """What a model is to run like."""

    exported: str
    """The precision that it was exported in."""
    precision: str
    """The one that is asked for: one of `lmanet_core.runtime.backend.PRECISIONS`."""
    threads: int
    """To compute with."""
    shapes: Shapes | None = None
    """Shapes of the inputs, for a model that leaves them open; None: the model has them."""


class CpuGraph(ABC):
    """A graph that a library has loaded. Each library is a class, which says what is its own.

    Args:
        source: the model.
        options: what it is to run like.

    Raises:
        GraphFileError: the library does not take the model.
    """

    name: ClassVar[str]
    """Name of its Python package, and its name in `RUNTIMES`."""
    chooses_precision: ClassVar = False
    """Whether it computes in what is asked for or what is best here, not in what was exported."""
    fixes_shapes: ClassVar = False
    """Whether a model is loaded anew for each size of images; else one with open sides is once."""
    takes_int8: ClassVar = False
    """Whether it takes what `lmanet export --precision int8` writes, OpenVINO's own models."""

    precision: str
    """What it computes in."""
    port_type = "float32"
    """Type of all inputs and outputs but image and `filled`: 'float32', or 'bfloat16' as uint16."""

    @abstractmethod
    def __init__(self, source: GraphSource, options: GraphOptions) -> None: ...

    @staticmethod
    def joins() -> bool:
        """Whether it takes a source with `after`, which is faster than two graphs."""
        return False

    @abstractmethod
    def bind(self, arrays: Mapping[str, np.ndarray]) -> Run:
        """Let one stream's runs read inputs and write outputs where they are, by their names.

        The caller keeps the arrays.
        """


RUNTIMES: Registry[type[CpuGraph]] = Registry(
    "backend",
    "lmanet.runtimes",
    {
        "openvino": "lmanet_core.runtime.backends.openvino_graph:OpenVinoGraph",
        "onnxruntime": "lmanet_core.runtime.backends.onnxruntime_graph:OnnxRuntimeGraph",
    },
)
"""Libraries that run graphs on CPUs, by the names of their Python packages, the faster first."""
