"""From a model to a network file, whose graphs leave local attention to the C++ kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lmanet_core.export.graph import Encoded, Part, SingleFrameGraph, StreamingGraph
from lmanet_core.export.onnx_file import describe_graph, to_onnx
from lmanet_core.models import LMANet
from lmanet_core.runtime.graph_info import GraphInfo
from lmanet_core.runtime.network_file import write_network_file


def export_network(
    model: LMANet,
    path: Path,
    *,
    work_size: tuple[int, int] = (1024, 512),
    memory_size: int | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> GraphInfo:
    """Write a file for CPUs, in fp32, see `lmanet_core.runtime.network_file`.

    Args:
        model: the network.
        path: file to write, by convention `*.lmanet`.
        work_size, memory_size, provenance: as `export_onnx` takes them.

    Returns:
        What the file says of itself.

    Raises:
        ValueError: an argument is out of range, or a setting of the model cannot be exported.
        MissingExtraError: a package is missing.
    """
    info = describe_graph(model, "fused", "fp32", work_size, memory_size, provenance)
    graphs = _streaming_graphs(model, info) if info.memory_size else _frame_graph(model, info)
    write_network_file(path, info, graphs)
    return info


def _frame_graph(model: LMANet, info: GraphInfo) -> dict[str, bytes]:
    graph = SingleFrameGraph(model, info.work_size, torch.float32)
    return {"frame.onnx": _onnx(graph, "logits", {"image": _image(info)}, ("logits",))}


def _streaming_graphs(model: LMANet, info: GraphInfo) -> dict[str, bytes]:
    graph = StreamingGraph(model, info.work_size, torch.float32, attention=None)
    width, height = info.feature_size
    after = {
        "read": torch.zeros(height, width, info.value_channels),
        "query_value": torch.zeros(1, info.value_channels, height, width),
        "features": torch.zeros(1, info.feature_channels, height, width),
        "filled": torch.zeros(1, dtype=torch.int32),
    }
    return {
        "before.onnx": _onnx(graph, "encode", {"image": _image(info)}, Encoded._fields),
        "after.onnx": _onnx(graph, "decode", after, ("logits",)),
    }


def _image(info: GraphInfo) -> torch.Tensor:
    width, height = info.work_size
    return torch.zeros((height, width, 3), dtype=torch.uint8)


def _onnx(
    graph: SingleFrameGraph,
    method: str,
    inputs: Mapping[str, torch.Tensor],
    outputs: tuple[str, ...],
) -> bytes:
    program = to_onnx(Part(graph, method), inputs, outputs, dynamic={})
    return program.model_proto.SerializeToString()
