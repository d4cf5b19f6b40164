"""From a model to an ONNX file."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from lmanet_core.checkpoint import fingerprint
from lmanet_core.export.attention_forms import FORMS
from lmanet_core.export.graph import SingleFrameGraph, StreamingGraph
from lmanet_core.models import LMANet
from lmanet_core.models.cost import network_cost
from lmanet_core.network.model_config import MAX_MEMORY_SIZE
from lmanet_core.output.files import write_bytes
from lmanet_core.program.extras import needs_extra
from lmanet_core.runtime.graph_info import METADATA_KEY, GraphInfo, with_checksum

FEWEST_HALVED = 16
"""Elements of a tensor that `store_in_half` takes."""

if TYPE_CHECKING:
    from onnx import ModelProto

Say = Callable[[str], None]
"""Tells the user something."""
OPSET = 18
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16}
MEMORY_OUTPUTS = ("key", "value")


def export_onnx(
    model: LMANet,
    path: Path,
    *,
    operator: str = "tiled",
    precision: str = "fp32",
    work_size: tuple[int, int] = (1024, 512),
    memory_size: int | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> GraphInfo:
    """Write the graph of a streaming step, see `lmanet_core.export.graph.StreamingGraph`.

    The file takes camera images of any size and resizes them to the work size.

    Args:
        model: the network.
        path: file to write, by convention `*.onnx`.
        operator: form of local attention, one of `FORMS`.
        precision: 'fp32' or 'fp16', of weights, features and memory.
        work_size: (width, height) at which the network runs, rounded to what the model accepts.
        memory_size: S, slots of the memory; None: the model's own; 0: every frame on its own.
        provenance: provenance of the checkpoint, as `lmanet_core.load_provenance` gives it.

    Returns:
        What the file says of itself.

    Raises:
        ValueError: an argument is out of range, a setting of the model cannot be exported, or a
            package is missing.
    """
    _check_operator(operator)
    info = describe_graph(model, operator, precision, work_size, memory_size, provenance)
    dtype = PRECISIONS[info.precision]
    graph: SingleFrameGraph
    # Sides of the camera's image that are no one else's.
    inputs = {"image": torch.zeros((480, 640, 3), dtype=torch.uint8)}
    sides: list[dict[int, Any]] = [{0: Dim.DYNAMIC, 1: Dim.DYNAMIC}]
    outputs = ["labels", "confidence"]
    if info.memory_size:
        graph = StreamingGraph(model, info.work_size, dtype, FORMS[info.operator])
        width, height = info.feature_size
        slots = (info.memory_size, height, width)
        inputs["keys"] = torch.zeros((*slots, info.key_channels), dtype=dtype)
        inputs["values"] = torch.zeros((*slots, info.value_channels), dtype=dtype)
        inputs["filled"] = torch.zeros(1, dtype=torch.int32)
        sides += [{}, {}, {}]
        outputs += MEMORY_OUTPUTS
    else:
        graph = SingleFrameGraph(model, info.work_size, dtype)
    program = to_onnx(graph, inputs, outputs, tuple(sides))
    program.model.metadata_props[METADATA_KEY] = info.to_json()
    write_bytes(path, with_checksum(program.model_proto.SerializeToString()))
    return info


def to_onnx(
    graph: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: tuple[Any, ...] | None,
) -> torch.onnx.ONNXProgram:
    """A module as an ONNX program.

    Args:
        graph: the module.
        inputs: by name, in order; shapes and types are what counts.
        outputs: names.
        dynamic: which dimensions of the inputs are open, in the form of `forward`'s arguments, as
            `torch.onnx.export` takes it; None: none is.
    """
    with needs_extra("export", "exporting"):
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    # The exporter misses a package of no use here, and warns of its own use of PyTorch.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="copyreg")
        # Several inputs have the same open sides, so that some of their names are left over.
        warnings.filterwarnings("ignore", message=".*axis name.*", category=UserWarning)
        program = torch.onnx.export(
            graph.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dynamic,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program


def store_in_half(model: ModelProto) -> None:
    """Halve the size of an ONNX model: weights become fp16, each with a cast to fp32 behind it."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        # The few numbers that are constants of an operator stay as exact as they are.
        if tensor.data_type != TensorProto.FLOAT or math.prod(tensor.dims) < FEWEST_HALVED:
            continue
        stored = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16))
        stored.name = f"{tensor.name}_stored"
        casts.append(helper.make_node("Cast", [stored.name], [tensor.name], to=TensorProto.FLOAT))
        tensor.CopyFrom(stored)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def describe_graph(
    model: LMANet,
    operator: str,
    precision: str,
    work_size: tuple[int, int],
    memory_size: int | None,
    provenance: Mapping[str, Any] | None = None,
) -> GraphInfo:
    """What a file of these arguments says of itself, see `export_onnx`."""
    config = model.config
    memory_size = config.memory_size if memory_size is None else memory_size
    _check(model, precision, work_size, memory_size)
    width, height = model.size_rule.fit(work_size)
    channels, rows, columns = network_cost(model, (width, height)).features
    return GraphInfo(
        model=fingerprint(model),
        operator=operator if memory_size else "",
        precision=precision,
        work_size=(width, height),
        side_multiple=0,
        work_pixels=math.prod(work_size),
        memory_size=memory_size,
        write_interval=config.write_interval,
        feature_size=(columns, rows),
        feature_channels=channels,
        key_channels=config.key_channels,
        value_channels=config.value_channels or channels,
        config=config.to_dict(),
        provenance=dict(provenance or {}),
    )


def _check_operator(operator: str) -> None:
    if operator not in FORMS:
        raise ValueError(f"operator must be one of {list(FORMS)}, got {operator!r}")


def _check(model: LMANet, precision: str, work_size: tuple[int, int], memory_size: int) -> None:
    config = model.config
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {list(PRECISIONS)}, got {precision!r}")
    if min(work_size) < model.size_rule.smallest:
        raise ValueError(
            f"size must be WIDTHxHEIGHT, each at least {model.size_rule.smallest}, got {work_size}"
        )
    highest = 0 if model.memory is None else MAX_MEMORY_SIZE
    if not 0 <= memory_size <= highest:
        raise ValueError(f"memory_size must be in 0..{highest} here, got {memory_size}")
    if memory_size and (config.window_size is None or config.write_before_read):
        raise ValueError(
            "the ablations window_size null and write_before_read true have no exported form; "
            "stream such a checkpoint with the backend 'torch'"
        )
