"""OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from lmanet_core.kernel import best_instruction_set
from lmanet_core.runtime.backends.cpu_graph import CpuGraph, GraphOptions, GraphSource, Run
from lmanet_core.runtime.graph_info import GraphFileError

CORE = openvino.Core()
"""One for the process, for good.

The first compilation of a core sets a stack of its own for the thread's signals, and the core's end
the one before. Cores that end in another order leave one set that is gone, and the next signal,
such as that of a child's end, is a segmentation fault (seen with OpenVINO 2026.4).
"""
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_PRECISIONS = {"bf16": "bf16", "f16": "fp16"}


class OpenVinoGraph(CpuGraph):
    """An ONNX or OpenVINO model in a precision that OpenVINO chooses, or in one that is asked for.

    Of a model in int8 that is the precision of what is not. With shapes, of a network file's
    graphs, floats come and go in bfloat16 where model and kernel compute in it; see `CpuGraph`.
    """

    name = "openvino"
    chooses_precision = fixes_shapes = takes_int8 = True

    def __init__(self, source: GraphSource, options: GraphOptions) -> None:
        exported, precision, threads, shapes = options
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads)}
        if precision != "auto":
            settings["INFERENCE_PRECISION_HINT"] = _HINTS[precision]
        try:
            model = _read(source)
            if shapes and model.is_dynamic():
                model.reshape({name: list(shape) for name, shape in shapes.items()})
            hint = settings.get("INFERENCE_PRECISION_HINT", "auto")
            if shapes and _is_bfloat16(hint):
                self.port_type = "bfloat16"
                _keep_channels_last(model)
                model = _with_bfloat16_ports(model)
            self._compiled = CORE.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise GraphFileError(f"OpenVINO does not take {source.origin}: {error}") from None
        computed = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = "int8" if exported == "int8" else _PRECISIONS.get(computed, "fp32")

    @staticmethod
    def joins() -> bool:
        """Always."""
        return True

    def bind(self, arrays: Mapping[str, np.ndarray]) -> Run:
        """See `CpuGraph`."""
        request = self._compiled.create_infer_request()
        for name, array in arrays.items():
            request.set_tensor(name, _tensor(array))

        def run(others: Mapping[str, np.ndarray]) -> None:
            for name, array in others.items():
                request.set_tensor(name, _tensor(array))
            request.infer()

        return run


def _is_bfloat16(hint: str) -> bool:
    """Whether a model computes in bfloat16, and the kernel can, too."""
    if hint == "auto":
        hint = CORE.get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()
    return hint == "bf16" and best_instruction_set() == "avx512_bf16"


def _with_bfloat16_ports(model: openvino.Model) -> openvino.Model:
    """The model with floats that come and go in bfloat16, as it computes them."""
    ports = PrePostProcessor(model)
    for side, change in ((model.inputs, ports.input), (model.outputs, ports.output)):
        for port in side:
            if port.element_type == openvino.Type.f32:
                change(port.any_name).tensor().set_element_type(openvino.Type.bf16)
    return ports.build()


def _keep_channels_last(model: openvino.Model) -> None:
    """Make what reads features that come in channels last compute on them as they are.

    Where OpenVINO turns an input, what follows takes it with channels in front, up to the next
    convolution, which turns it back: at sides that are powers of 2 that takes longer than the
    convolution. So one that changes nothing, with a product for each number, comes first.
    """
    for port in model.inputs:
        if port.element_type != openvino.Type.f32:
            continue
        for turn in _turns(port):
            channels = turn.partial_shape[1].get_length()
            readers = turn.get_target_inputs()
            ones = openvino.opset1.constant(np.ones((channels, 1, 1, 1, 1), np.float32))
            same = openvino.opset1.group_convolution(turn, ones, [1, 1], [0, 0], [0, 0], [1, 1])
            for reader in readers:
                reader.replace_source_output(same.output(0))


def _turns(port: openvino.Output) -> list[openvino.Output]:
    """What comes of an input that gets a batch and has its channels moved to the front."""
    nodes = [reader.get_node() for reader in port.get_target_inputs()]
    nodes = [r.get_node() for n in nodes for r in n.output(0).get_target_inputs()]
    return [node.output(0) for node in nodes if node.get_type_name() == "Transpose"]


def _tensor(array: np.ndarray) -> openvino.Tensor:
    """The array itself as a tensor; 16 bits that numpy has no type for are bfloat16."""
    if array.dtype == np.uint16:
        return openvino.Tensor(array, openvino.Shape(array.shape), openvino.Type.bf16)
    return openvino.Tensor(array, shared_memory=True)


def _read(source: GraphSource) -> openvino.Model:
    model = CORE.read_model(source.model, source.weights or b"")
    return model if source.after is None else _join(model, _read(source.after))


def _join(before: openvino.Model, after: openvino.Model) -> openvino.Model:
    """From the image to logits, the decoder reading the features themselves."""
    # By what is filled fused features or others are selected.
    selection = after.input("filled").get_node()
    while selection.get_type_name() != "Select":
        (reader,) = selection.output(0).get_target_inputs()
        selection = reader.get_node()
    for reader in selection.output(0).get_target_inputs():
        reader.replace_source_output(selection.input_value(2))
    features = before.output("features").get_node().input_value(0)
    for reader in after.input("features").get_target_inputs():
        reader.replace_source_output(features)
    return openvino.Model([after.output("logits").get_node()], before.get_parameters(), "frame")
