"""OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openvino

from lmanet_core.runtime.backends.cpu_graph import GraphSource, Run, Shapes
from lmanet_core.runtime.graph_info import GraphFileError

CORE = openvino.Core()
"""One for the process, for good.

The first compilation of a core sets a stack of its own for the thread's signals, and the core's end
the one before. Cores that end in another order leave one set that is gone, and the next signal,
such as that of a child's end, is a segmentation fault (seen with OpenVINO 2026.4).
"""
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_PRECISIONS = {"bf16": "bf16", "f16": "fp16"}


class OpenVinoGraph:
    """An ONNX or OpenVINO model in a precision that OpenVINO chooses, or in one that is asked for.

    Args:
        source: the model.
        exported: precision of the model; where that is int8, the other one is of what is not.
        precision: 'auto', 'fp32', 'bf16' or 'fp16'.
        threads: to compute with.
        shapes: of the inputs, for a model that leaves them open; fixed ones are faster.

    Raises:
        GraphFileError: OpenVINO does not take the model.
    """

    name = "openvino"

    def __init__(
        self,
        source: GraphSource,
        exported: str,
        precision: str,
        threads: int,
        shapes: Shapes | None = None,
    ) -> None:
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads)}
        if precision != "auto":
            options["INFERENCE_PRECISION_HINT"] = _HINTS[precision]
        weights = b"" if source.weights is None else source.weights
        try:
            model = CORE.read_model(source.model, weights)
            if shapes and model.is_dynamic():
                model.reshape({name: list(shape) for name, shape in shapes.items()})
            self._compiled = CORE.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise GraphFileError(f"OpenVINO does not take {source.origin}: {error}") from None
        computed = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = "int8" if exported == "int8" else _PRECISIONS.get(computed, "fp32")

    def bind(self, arrays: Mapping[str, np.ndarray]) -> Run:
        """See `CpuGraph`."""
        request = self._compiled.create_infer_request()
        for name, array in arrays.items():
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

        def run(others: Mapping[str, np.ndarray]) -> None:
            for name, array in others.items():
                request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
            request.infer()

        return run
