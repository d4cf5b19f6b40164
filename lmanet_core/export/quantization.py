"""Convolutions in int8: post-training quantisation by NNCF, for OpenVINO."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lmanet_core.export.onnx_file import Say
from lmanet_core.models.frame_quality import FrameQuality
from lmanet_core.program.extras import needs_extra
from lmanet_core.runtime import open_segmenter
from lmanet_core.runtime.backends.cpu_graph import CpuGraph, GraphOptions, GraphSource, Run
from lmanet_core.runtime.backends.split_graph import SplitGraphBackend
from lmanet_core.runtime.graph_info import GraphInfo
from lmanet_core.runtime.network_file import read_network_file, write_network_file
from lmanet_core.runtime.threads import default_threads

_ARITHMETIC = ["Add", "Subtract", "Multiply", "Divide", "ReduceL2", "Select", "Interpolate"]
"""Stays: gates, residuals, the length of keys, the scaling of images and what the logits end in
lose more than they gain."""
_DEPTHWISE = ["GroupConvolution"]
"""Stays, too: a few products for each value, and half of all that int8 costs in quality."""
_CLASSES = "pkg.torch.onnx.class_hierarchy"
"""Where the exporter says which modules a node comes from."""


def quantize(
    source: Path,
    path: Path,
    calibration: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    say: Say = lambda step: None,
) -> GraphInfo:
    """Write a network file in int8, and in it what that costs.

    Args:
        source: network file in fp32.
        path: file to write.
        calibration: a stream like those to come, in order; (H, W, 3) uint8 each.
        held_out: another one, on which the two networks are compared.
        say: called before each step that takes long, with what it is.

    Returns:
        What the file says of itself; its `agreement` is that on `held_out`.

    Raises:
        GraphFileError: the source is no network file.
        ValueError: there are no images, or the source is in int8 already.
        MissingExtraError: a package is missing.
    """
    info, contents = read_network_file(source)
    if info.precision != "fp32":
        raise ValueError(f"expected a network file in fp32, got {info.precision}")
    if not calibration or not held_out:
        raise ValueError("quantising needs frames to calibrate with and others to compare on")
    say(f"calibrating with {len(calibration)} frames")
    graphs = _quantize_graphs(info, contents, calibration)
    info = replace(info, precision="int8")
    say(f"comparing int8 with fp32 on {len(held_out)} frames that it was not calibrated with")
    with tempfile.TemporaryDirectory() as folder:
        unjudged = Path(folder) / "int8.lmanet"
        write_network_file(unjudged, info, graphs)
        info = replace(info, agreement=_agreement(source, unjudged, held_out))
    write_network_file(path, info, graphs)
    return info


class _Recorder(CpuGraph):
    """A graph that keeps what its runs are given."""

    name = "recorder"

    def __init__(self, graph: CpuGraph, inputs: Sequence[str]) -> None:
        self.precision = graph.precision
        self.port_type = graph.port_type
        self.recorded: list[dict[str, np.ndarray]] = []
        self._graph = graph
        self._inputs = inputs

    def bind(self, arrays: Mapping[str, np.ndarray]) -> Run:
        """See `CpuGraph`."""
        run = self._graph.bind(arrays)

        def run_and_record(others: Mapping[str, np.ndarray]) -> None:
            given = {**arrays, **others}
            self.recorded.append({name: given[name].copy() for name in self._inputs})
            run(others)

        return run_and_record


def _quantize_graphs(
    info: GraphInfo, contents: Mapping[str, bytes], calibration: Sequence[np.ndarray]
) -> dict[str, bytes]:
    with needs_extra("int8", "quantising"):
        import nncf
        import openvino
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        from lmanet_core.runtime.backends.openvino_graph import CORE, OpenVinoGraph
    # What is not quantised is listed above; NNCF would name each of its operations.
    nncf.set_log_level(logging.ERROR)
    threads = default_threads()
    options = GraphOptions("fp32", "fp32", threads)
    models = {name.partition(".")[0]: CORE.read_model(onnx) for name, onnx in contents.items()}
    recorders = {}
    for name, content in contents.items():
        stem = name.partition(".")[0]
        graph = OpenVinoGraph(GraphSource(name, content), options)
        recorders[stem] = _Recorder(graph, [port.any_name for port in models[stem].inputs])
    backend = SplitGraphBackend(info, lambda work_size: recorders, threads)
    for image in calibration:
        backend.run(image, confidence=False)
    graphs: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for stem, model in models.items():
            quantized = nncf.quantize(
                model,
                nncf.Dataset(recorders[stem].recorded),
                # What comes out of a ReLU has no negative half to keep steps for.
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(calibration),
                # The whole range, not the mean frame's: frames with nothing in memory are few.
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
                ),
                ignored_scope=nncf.IgnoredScope(
                    names=_quality_nodes(contents[f"{stem}.onnx"]),
                    types=[*_ARITHMETIC, *_DEPTHWISE],
                    validate=False,
                ),
            )
            file = Path(folder) / f"{stem}.xml"
            openvino.save_model(quantized, str(file), compress_to_fp16=False)
            for part in (file, file.with_suffix(".bin")):
                graphs[part.name] = part.read_bytes()
    return graphs


def _quality_nodes(content: bytes) -> list[str]:
    """Names of the nodes that compute a frame's quality, whose terms nearly cancel out."""
    import onnx

    return [
        node.name
        for node in onnx.load_from_string(content).graph.node
        if any(FrameQuality.__name__ in e.value for e in node.metadata_props if e.key == _CLASSES)
    ]


def _agreement(expected: Path, found: Path, images: Sequence[np.ndarray]) -> float:
    """Share of the pixels that get the same label, over a stream from an empty memory."""
    streams = [
        open_segmenter(model_file=path, backend="openvino", precision="fp32")
        for path in (expected, found)
    ]
    shares = []
    for image in images:
        ours, theirs = (stream.step(image, confidence=False).labels for stream in streams)
        shares.append((ours == theirs).mean())
    return float(np.mean(shares))
