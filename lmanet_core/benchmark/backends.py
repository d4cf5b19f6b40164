"""The backends against each other, on one checkpoint: time, wrapper overhead, and quality."""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lmanet_core.arguments import image_size
from lmanet_core.benchmark.tables import markdown_table
from lmanet_core.benchmark.timing import time_in_turns
from lmanet_core.checkpoint import load
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.metrics import ConfusionMatrix
from lmanet_core.models import LMANet
from lmanet_core.runtime import Backend, VideoSegmenter
from lmanet_core.runtime.backends.graph_backend import GraphBackend
from lmanet_core.runtime.pytorch.torch_backend import TorchBackend

HELP = "time of a streaming step in PyTorch, ONNX Runtime and OpenVINO, and what int8 costs"
BASELINE = "torch fp32"

_FIRST_SEED = 2**31
"""Of streets to score; training draws its own from below."""
_CALIBRATION_SEED = 2**31 + 1000
_COLUMNS = ("backend", "ms", "of torch fp32", "wrapper ms", "mIoU", "lost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument("--size", type=image_size, default=(1024, 512), help="WIDTHxHEIGHT")
    parser.add_argument("--checkpoint", help="file or name of shipped weights; default: shipped")
    parser.add_argument("--memory-size", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--frames", type=int, default=20, help="frames to score; 0: none")
    parser.add_argument("--calibration-frames", type=int, default=30, help="for int8; 0: no int8")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.set_defaults(run=run)


class Row:
    """A backend and its figures; times in milliseconds, None where nothing was measured."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.segmenter = VideoSegmenter(backend)
        self.step = 0.0
        self.wrapper: float | None = None
        self.miou: float | None = None


def run(arguments: argparse.Namespace) -> None:
    """Time all backends in turns, score them, and print, or write, the table.

    Raises:
        ValueError: the extra `export` is missing.
    """
    model = load(arguments.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        backends = _open_all(model, arguments, Path(folder))
        rows = {name: Row(backend) for name, backend in backends.items()}
        _time(rows, arguments)
        if arguments.frames:
            for row in rows.values():
                row.miou = _score(row.segmenter, model, arguments)
    print(markdown_table(_COLUMNS, _cells(rows)))
    if arguments.json:
        arguments.json.write_text(json.dumps(_figures(rows), indent=2) + "\n")


def _open_all(model: LMANet, arguments: argparse.Namespace, folder: Path) -> dict[str, Backend]:
    # Imported here: other benchmarks do without the extra.
    from lmanet_core.export import export_onnx
    from lmanet_core.export.quantization import quantize
    from lmanet_core.runtime.backends.onnxruntime_backend import OnnxRuntimeBackend
    from lmanet_core.runtime.backends.openvino_backend import OpenVinoBackend

    size, memory_size, path = arguments.size, arguments.memory_size, folder / "graph.onnx"
    info = export_onnx(model, path, work_size=size, memory_size=memory_size)
    backends: dict[str, Backend] = {
        BASELINE: TorchBackend(model, memory_size, "fp32", "cpu", size),
        "onnxruntime fp32": OnnxRuntimeBackend(path, info),
        "openvino fp32": OpenVinoBackend(path, info, "fp32"),
    }
    # Where the processor multiplies in bf16, the automatic choice.
    for backend in (
        TorchBackend(model, memory_size, "auto", "cpu", size),
        OpenVinoBackend(path, info, "auto"),
    ):
        if backend.dtype == torch.bfloat16:
            backends[f"{backend.name} bf16"] = backend
    if arguments.calibration_frames:
        quantized = folder / "int8.xml"
        stream = _street(_CALIBRATION_SEED, size)
        frames = itertools.islice(stream, arguments.calibration_frames)
        quantize(path, quantized, [image for image, _ in frames])
        backends["openvino int8"] = OpenVinoBackend(quantized, info, "fp32")
    return backends


def _street(seed: int, size: tuple[int, int]) -> StreetVideo:
    return StreetVideo(seed, StreetConfig(size=size, noise=8, flicker=0.05))


def _time(rows: dict[str, Row], arguments: argparse.Namespace) -> None:
    """Steps with a full memory; for exported graphs also what of a step is not the graph."""
    image, _ = next(_street(_FIRST_SEED, arguments.size))
    for row in rows.values():
        for _ in range(arguments.memory_size):
            row.segmenter.step(image)
    steps = {name: partial(row.segmenter.step, image) for name, row in rows.items()}
    for name, milliseconds in time_in_turns(steps, arguments.repeats, warm_up=1).items():
        rows[name].step = milliseconds
    for row in rows.values():
        if isinstance(row.backend, GraphBackend):
            row.wrapper = _wrapper(row.backend, row.segmenter, image)


def _wrapper(backend: GraphBackend, segmenter: VideoSegmenter, image: np.ndarray) -> float:
    """Milliseconds of a step without the graph, which is left out."""
    infer = backend.infer
    backend.infer = lambda image: None  # type: ignore[method-assign]
    try:
        (milliseconds,) = time_in_turns({"wrapper": partial(segmenter.step, image)}, 50).values()
    finally:
        backend.infer = infer  # type: ignore[method-assign]
    return milliseconds


def _score(segmenter: VideoSegmenter, model: LMANet, arguments: argparse.Namespace) -> float:
    matrix = ConfusionMatrix(len(model.config.classes))
    segmenter.reset()
    for image, labels in itertools.islice(_street(_FIRST_SEED, arguments.size), arguments.frames):
        matrix.update(segmenter.step(image, confidence=False).labels, labels)
    return matrix.miou()


def _cells(rows: dict[str, Row]) -> Iterator[tuple[str, ...]]:
    baseline = rows[BASELINE]
    for name, row in rows.items():
        quality = ("", "")
        if row.miou is not None and baseline.miou is not None:
            quality = (f"{100 * row.miou:.2f}", f"{100 * (baseline.miou - row.miou):.2f}")
        wrapper = "" if row.wrapper is None else f"{row.wrapper:.2f}"
        yield (name, f"{row.step:.1f}", f"{row.step / baseline.step:.2f}", wrapper, *quality)


def _figures(rows: dict[str, Row]) -> dict[str, dict[str, float | None]]:
    return {
        name: {"step_ms": row.step, "wrapper_ms": row.wrapper, "miou": row.miou}
        for name, row in rows.items()
    }
