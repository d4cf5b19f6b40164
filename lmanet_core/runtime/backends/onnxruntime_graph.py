"""ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

import numpy as np
import onnxruntime

from lmanet_core.runtime.backends.cpu_graph import CpuGraph, GraphOptions, GraphSource, Run
from lmanet_core.runtime.graph_info import GraphFileError


class OnnxRuntimeGraph(CpuGraph):
    """An ONNX model, in the precision it was exported in; see `CpuGraph`."""

    name = "onnxruntime"

    def __init__(self, source: GraphSource, options: GraphOptions) -> None:
        self.precision = options.exported
        session = onnxruntime.SessionOptions()
        session.intra_op_num_threads = options.threads
        session.log_severity_level = 3
        # Threads that wait busily would be in the way of those that read the memory in between.
        session.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                _read(source), session, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's own exceptions have no common base.
        except Exception as error:
            raise GraphFileError(f"ONNX Runtime does not take {source.origin}: {error}") from None
        self._inputs = {port.name for port in self._session.get_inputs()}

    @staticmethod
    def joins() -> bool:
        """With the package onnx."""
        return find_spec("onnx") is not None

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


def _read(source: GraphSource) -> bytes:
    return source.model if source.after is None else _join(source.model, source.after.model)


def _join(before: bytes, after: bytes) -> bytes:
    """From the image to logits, the decoder reading the features themselves."""
    import onnx
    from onnx import compose

    frame = onnx.load_from_string(before)
    decoder = onnx.load_from_string(after)
    decoder = compose.add_prefix(decoder, "after_", rename_outputs=False)
    # By what is filled fused features or others are selected.
    (selection,) = (node for node in decoder.graph.node if "after_filled" in node.input)
    while selection.op_type != "Where":
        name = selection.output[0]
        (selection,) = (node for node in decoder.graph.node if name in node.input)
    replaced = {selection.output[0]: selection.input[2]}
    nodes = [*frame.graph.node, *decoder.graph.node]
    del frame.graph.node[:], frame.graph.output[:], frame.graph.value_info[:]
    frame.graph.output.extend(decoder.graph.output)
    frame.graph.initializer.extend(decoder.graph.initializer)
    needed, kept = {output.name for output in decoder.graph.output}, []
    for node in reversed(nodes):
        if needed & set(node.output):
            inputs = [replaced.get(name, name) for name in node.input]
            inputs = ["features" if name == "after_features" else name for name in inputs]
            node.input[:] = inputs
            needed.update(inputs)
            kept.append(node)
    frame.graph.node.extend(reversed(kept))
    return frame.SerializeToString()


def _place(array: np.ndarray) -> tuple:
    """Device, its number, type, shape and address."""
    return "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
