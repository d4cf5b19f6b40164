"""From a model to a network file, whose graphs leave local attention to the C++ kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim
from torch.onnx import ONNXProgram

from lmanet_core.export.graph import Encoded, Part, SingleFrameGraph, StreamingGraph
from lmanet_core.export.onnx_file import Say, describe_graph, store_in_half, to_onnx
from lmanet_core.models import LMANet
from lmanet_core.models.enlarging_decoder import logits_of
from lmanet_core.runtime.backends.cpu_graph import Shapes
from lmanet_core.runtime.backends.split_graph import input_shapes
from lmanet_core.runtime.graph_info import GraphInfo
from lmanet_core.runtime.network_file import write_network_file

Sides = dict[int, Any]
"""Dimensions of an input that are open -> `torch.export.Dim`."""
MOST_STEPS = 4096
"""Cells of a side at most; the exporter asks for a bound."""


def export_network(
    model: LMANet,
    path: Path,
    *,
    work_size: tuple[int, int] = (1024, 512),
    any_size: bool = False,
    half_weights: bool = False,
    memory_size: int | None = None,
    provenance: Mapping[str, Any] | None = None,
    say: Say = lambda step: None,
) -> GraphInfo:
    """Write a file for CPUs, in fp32, see `lmanet_core.runtime.network_file`.

    Args:
        model: the network.
        path: file to write, by convention `*.lmanet`.
        work_size, memory_size, provenance: as `export_onnx` takes them.
        any_size: whether the network runs at as many pixels as `work_size` has, in the proportions
            of the images, instead of at that size.
        half_weights: whether weights are stored in half precision, in a file of half the size, and
            computed with in fp32.
        say: called before each step that takes long, with what it is.

    Returns:
        What the file says of itself.

    Raises:
        ValueError: an argument is out of range, or a setting of the model cannot be exported.
        MissingExtraError: a package is missing.
    """
    info = describe_graph(model, "fused", "fp32", work_size, memory_size, provenance)
    info = replace(_with_small_logits(model, info), channels_last=True)
    if any_size:
        info = replace(info, side_multiple=_side_multiple(model))
    export = _streaming_graphs if info.memory_size else _frame_graph
    try:
        programs = export(model, info, say)
    except torch.onnx.OnnxExporterError as error:
        if not any_size:
            raise
        raise ValueError(
            f"{model.config.backbone} cannot be exported for any size: give one, for example "
            f"--size 1024x512 ({error.__cause__ or error})"
        ) from error
    graphs = {}
    for name, program in programs.items():
        proto = program.model_proto
        if half_weights:
            store_in_half(proto)
        graphs[name] = proto.SerializeToString()
    write_network_file(path, info, graphs)
    return info


def can_take_any_size(model: LMANet) -> bool:
    """Whether `export_network` can be asked for `any_size`."""
    return model.size_rule.offset == 0


def _with_small_logits(model: LMANet, info: GraphInfo) -> GraphInfo:
    width, height = info.feature_size
    with torch.no_grad():
        logits = logits_of(model.decoder, torch.zeros(1, info.feature_channels, height, width))
    height, width = logits.values.shape[2:]
    return replace(info, logits_size=(width, height), corners_aligned=logits.corners_aligned)


def _side_multiple(model: LMANet) -> int:
    if not can_take_any_size(model):
        raise ValueError(
            "any_size is for networks that take all multiples of a number of pixels, "
            f"{model.config.backbone} takes {model.size_rule}"
        )
    return model.size_rule.multiple


def _frame_graph(model: LMANet, info: GraphInfo, say: Say) -> dict[str, ONNXProgram]:
    say("tracing the network")
    graph = SingleFrameGraph(model, info.work_size, torch.float32)
    return {"frame.onnx": _program(graph, "logits", _image(info), _image_sides(info), ("logits",))}


def _streaming_graphs(model: LMANet, info: GraphInfo, say: Say) -> dict[str, ONNXProgram]:
    graph = StreamingGraph(model, info.work_size, torch.float32, attention=None)
    outputs = Encoded._fields[:3] if info.passes_values else Encoded._fields
    shapes = input_shapes(info)["after"]
    after = {name: torch.zeros(shape) for name, shape in shapes.items()}
    after["filled"] = after["filled"].int()
    say("tracing the network before the memory, graph 1 of 2")
    before = _program(graph, "encode", _image(info), _image_sides(info), outputs)
    say("tracing the network after the memory, graph 2 of 2")
    decoder = _program(graph, "decode", after, _feature_sides(info, shapes), ("logits",))
    return {"before.onnx": before, "after.onnx": decoder}


def _image(info: GraphInfo) -> dict[str, torch.Tensor]:
    width, height = info.work_size
    return {"image": torch.zeros((height, width, 3), dtype=torch.uint8)}


def _image_sides(info: GraphInfo) -> tuple[Sides, ...]:
    """Which sides of the image are open, as `torch.export` has it; none: ()."""
    if info.side_multiple == 0:
        return ()
    rows, columns = Dim("rows", min=1, max=MOST_STEPS), Dim("columns", min=1, max=MOST_STEPS)
    return ({0: info.side_multiple * rows, 1: info.side_multiple * columns},)


def _feature_sides(info: GraphInfo, shapes: Shapes) -> tuple[Sides, ...]:
    """Sides of the inputs of the graph after local attention."""
    if info.side_multiple == 0:
        return ()
    rows, columns = Dim("rows", min=1, max=MOST_STEPS), Dim("columns", min=1, max=MOST_STEPS)
    return tuple({0: rows, 1: columns} if len(shape) == 3 else {} for shape in shapes.values())


def _program(
    graph: SingleFrameGraph,
    method: str,
    inputs: Mapping[str, torch.Tensor],
    sides: tuple[Sides, ...],
    outputs: tuple[str, ...],
) -> ONNXProgram:
    # Whatever its name, a part takes a list of inputs.
    return to_onnx(Part(graph, method), inputs, outputs, dynamic=(sides,) if sides else None)
