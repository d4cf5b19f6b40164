"""ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime

from lmanet_core.runtime.backends.cpu_graph import GraphSource, Run
from lmanet_core.runtime.graph_info import GraphFileError


class OnnxRuntimeGraph:
    """An ONNX model, in the precision it was exported in.

    Args:
        source: the model.
        precision: that precision.
        threads: to compute with.

    Raises:
        GraphFileError: ONNX Runtime does not take the model.
    """

    name = "onnxruntime"
    port_type = "float32"

    def __init__(self, source: GraphSource, precision: str, threads: int) -> None:
        self.precision = precision
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Threads that wait busily would be in the way of those that read the memory in between.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                source.model, options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's own exceptions have no common base.
        except Exception as error:
            raise GraphFileError(f"ONNX Runtime does not take {source.origin}: {error}") from None
        self._inputs = {port.name for port in self._session.get_inputs()}

    def bind(self, arrays: Mapping[str, np.ndarray]) -> Run:
        """See `CpuGraph`."""
        binding = self._session.io_binding()
        for name, array in arrays.items():
            bind = binding.bind_input if name in self._inputs else binding.bind_output
            bind(name, *_place(array))

        def run(others: Mapping[str, np.ndarray]) -> None:
            for name, array in others.items():
                binding.bind_input(name, *_place(array))
            self._session.run_with_iobinding(binding)

        return run


def _place(array: np.ndarray) -> tuple:
    """Device, its number, type, shape and address."""
    return "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
