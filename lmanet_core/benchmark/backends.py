"""All that runs a network on this machine's CPU, in one process and in turns."""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import inf
from pathlib import Path

import numpy as np
import torch

from lmanet_core.benchmark.environment import environment_mib
from lmanet_core.checkpoint import load, save_checkpoint
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.models import LMANet, build_model
from lmanet_core.network.model_config import ModelConfig
from lmanet_core.output.files import write_json
from lmanet_core.output.markdown import markdown_table
from lmanet_core.program.arguments import image_size
from lmanet_core.program.machine import processor_name
from lmanet_core.program.timing import time_in_turns
from lmanet_core.runtime import VideoSegmenter, open_segmenter
from lmanet_core.runtime.backends.cpu_graph import RUNTIMES
from lmanet_core.runtime.pytorch.torch_backend import TorchBackend

HELP = "PyTorch, ONNX Runtime and OpenVINO in all precisions: time, agreement, memory, start"

Point = tuple[str, int, int]
"""Network, memory size and window size."""

_FIRST_SEED = 2**31
"""Seed of the first street that labels are compared on. Training draws streets with smaller
seeds."""
_CALIBRATION_SEED = 2**31 + 1000
_COLUMNS = ("network", "S", "w", "backend", "ms", "of fp32", "agreement", "MiB", "start s")
_START = """
import resource
import sys
import numpy as np
from lmanet_core.runtime import open_segmenter
file, backend, precision, width, height = sys.argv[1:]
which = {"network": file, "work_pixels": 0} if backend == "torch" else {"model_file": file}
segmenter = open_segmenter(**which, backend=backend, precision=precision)
segmenter.step(np.zeros((int(height), int(width), 3), np.uint8))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options on its sub-command."""
    parser.add_argument("--size", type=image_size, default=(1024, 512), help="WIDTHxHEIGHT")
    parser.add_argument(
        "--networks",
        nargs="+",
        default=["erfnet"],
        help="checkpoints or shipped weights, or backbones for random weights; default: erfnet",
    )
    parser.add_argument(
        "--memory-sizes", type=int, nargs="+", default=[0, 1, 2, 4], help="0: the single frame"
    )
    parser.add_argument("--windows", type=int, nargs="+", default=[11, 21])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument(
        "--frames", type=int, default=8, help="number of frames on which labels are compared"
    )
    parser.add_argument(
        "--calibration-frames", type=int, default=10, help="number of frames for int8; 0: no int8"
    )
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="one thread, and the processor's time: for a machine on which much else runs",
    )
    parser.add_argument(
        "--no-start", action="store_true", help="do not measure the start of a process"
    )
    parser.add_argument(
        "--json",
        type=Path,
        help="file for the figures, written after each point; points that it has are left out",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        default=inf,
        metavar="MINUTES",
        help="minutes; nothing is begun that would end later; with --json the same command goes on",
    )
    parser.set_defaults(run=run)


@dataclass(frozen=True)
class Contender:
    """A file, and who runs it in what.

    Attributes:
        file: checkpoint or exported file.
        backend, precision: as `open_segmenter` takes them.
    """

    file: Path
    backend: str
    precision: str

    @property
    def name(self) -> str:
        """Name in the table."""
        form = " tiled" if self.file.suffix == ".onnx" else ""
        precision = "int8" if self.file.stem == "int8" else self.precision
        return f"{self.backend} {precision}{form}"

    def open(self) -> VideoSegmenter:
        """A stream of it; the size of the images is the exported one."""
        network, model_file = (self.file, "") if self.backend == "torch" else (None, self.file)
        return open_segmenter(
            network,
            model_file=model_file,
            backend=self.backend,
            precision=self.precision,
            work_pixels=0 if self.backend == "torch" else None,
            threads=torch.get_num_threads(),
        )


@dataclass(frozen=True)
class Row:
    """One contender at one point; PyTorch's fp32 at that point is what it is compared with.

    Attributes:
        processor: and its threads, and the size of the images.
        milliseconds: milliseconds of a step with a full memory, median.
        ratio: of these to PyTorch's.
        agreement: share of the pixels with PyTorch's label.
        resident_mib: largest memory of a process that does nothing else; None: not asked for.
        start_seconds: from the start of such a process to its first labels; None: not asked for.
    """

    processor: str
    network: str
    memory_size: int
    window_size: int
    backend: str
    milliseconds: float
    ratio: float
    agreement: float
    resident_mib: float | None
    start_seconds: float | None


def run(arguments: argparse.Namespace) -> None:
    """Compare at each point, and print, or write, the table.

    Raises:
        ValueError: the extra `export` is missing, or the file of figures is of another kind.
    """
    if arguments.processor_time:
        torch.set_num_threads(1)
    processor = _processor(arguments.size)
    print(f"{processor}; packages of a node: {_environment()}", flush=True)
    rows = _read_rows(arguments.json)
    begin, longest = time.monotonic(), 0.0
    left = [point for point in _points(arguments) if not _has(rows, processor, point)]
    while left and time.monotonic() - begin + longest <= 60 * arguments.time_limit:
        point_begin = time.monotonic()
        network, memory_size, window_size = left.pop(0)
        model = _network(network, memory_size, window_size)
        with tempfile.TemporaryDirectory() as folder:
            rows += _compare(processor, network, model, Path(folder), arguments)
        longest = max(longest, time.monotonic() - point_begin)
        if arguments.json:
            write_json(arguments.json, [asdict(row) for row in rows])
    print(markdown_table(_COLUMNS, (_cells(row) for row in rows if row.processor == processor)))
    if left:
        print(f"{len(left)} points were left out for the time limit, the next is {left[0]}")


def _read_rows(path: Path | None) -> list[Row]:
    if path is None or not path.exists():
        return []
    try:
        return [Row(**row) for row in json.loads(path.read_text())]
    except (ValueError, TypeError) as error:
        raise ValueError(f"--json: {path} has no figures of this benchmark: {error}") from None


def _points(arguments: argparse.Namespace) -> Iterator[Point]:
    """All of them; without memory the window makes no difference."""
    for memory_size in arguments.memory_sizes:
        for window_size in arguments.windows if memory_size else arguments.windows[:1]:
            yield from ((name, memory_size, window_size) for name in arguments.networks)


def _has(rows: Sequence[Row], processor: str, point: Point) -> bool:
    return any(
        (row.processor, row.network, row.memory_size, row.window_size) == (processor, *point)
        for row in rows
    )


def _environment() -> str:
    """What is installed for exported files, and for checkpoints."""
    exported, checkpoints = environment_mib("ros"), environment_mib("ros", "torch")
    return f"{exported:.0f} MiB, with PyTorch {checkpoints:.0f} MiB"


def _network(name: str, memory_size: int, window_size: int) -> LMANet:
    """A checkpoint's network with another memory; of a backbone, one with random weights."""
    try:
        trained: LMANet | None = load(name)
    except ValueError:
        trained = None
    config = ModelConfig(backbone=name) if trained is None else trained.config
    torch.manual_seed(0)
    model = build_model(replace(config, memory_size=memory_size, window_size=window_size)).eval()
    if trained is not None:
        # A single-frame network has no use for the memory's weights.
        model.load_state_dict(trained.state_dict(), strict=memory_size > 0)
    return model


def _compare(
    processor: str, network: str, model: LMANet, folder: Path, arguments: argparse.Namespace
) -> list[Row]:
    contenders = _contenders(model, folder, arguments)
    streams = {contender: contender.open() for contender in contenders}
    street = _street(_FIRST_SEED, arguments)
    frames = [image for image, _ in itertools.islice(street, arguments.frames)]
    labels = {contender: _labels(stream, frames) for contender, stream in streams.items()}
    for stream in streams.values():
        for _ in range(stream.backend.memory_size):
            stream.step(frames[0])
    steps = {c.name: partial(stream.step, frames[0]) for c, stream in streams.items()}
    clock = time.process_time if arguments.processor_time else time.perf_counter
    times = time_in_turns(steps, arguments.repeats, warm_up=1, clock=clock)
    baseline = contenders[0]
    rows = []
    for contender in contenders:
        start, resident = (None, None) if arguments.no_start else _start(contender, arguments)
        rows.append(
            Row(
                processor=processor,
                network=network,
                memory_size=model.config.memory_size,
                window_size=model.config.window_size or 0,
                backend=contender.name,
                milliseconds=times[contender.name],
                ratio=times[contender.name] / times[baseline.name],
                agreement=float((labels[contender] == labels[baseline]).mean()),
                resident_mib=resident,
                start_seconds=start,
            )
        )
    return rows


def _contenders(model: LMANet, folder: Path, arguments: argparse.Namespace) -> list[Contender]:
    # Imported here: other benchmarks do without the extra.
    from lmanet_core.export import export_network, export_onnx
    from lmanet_core.export.quantization import quantize

    checkpoint, network = folder / "model.safetensors", folder / "fp32.lmanet"
    save_checkpoint(model, checkpoint)
    export_network(model, network, work_size=arguments.size)
    precisions = ("fp32", "bf16") if TorchBackend(model).precision == "bf16" else ("fp32",)
    contenders = [Contender(checkpoint, "torch", precision) for precision in precisions]
    for name in RUNTIMES.names():
        chosen = precisions if RUNTIMES.find(name).chooses_precision else ("fp32",)
        contenders += [Contender(network, name, precision) for precision in chosen]
    if model.config.memory_size:
        tiled = folder / "tiled.onnx"
        export_onnx(model, tiled, work_size=arguments.size)
        contenders += [Contender(tiled, name, "fp32") for name in RUNTIMES.names()]
    if arguments.calibration_frames:
        street = _street(_CALIBRATION_SEED, arguments)
        frames = [image for image, _ in itertools.islice(street, arguments.calibration_frames + 2)]
        quantize(network, folder / "int8.lmanet", frames[:-2], frames[-2:])
        contenders.append(Contender(folder / "int8.lmanet", "openvino", "auto"))
    return contenders


def _street(seed: int, arguments: argparse.Namespace) -> StreetVideo:
    return StreetVideo(seed, StreetConfig(size=arguments.size, noise=8, flicker=0.05))


def _labels(stream: VideoSegmenter, frames: list[np.ndarray]) -> np.ndarray:
    return np.stack([stream.step(frame, confidence=False).labels for frame in frames])


def _start(contender: Contender, arguments: argparse.Namespace) -> tuple[float, float]:
    """Seconds from the start of a process to its first labels, and the MiB that it took."""
    width, height = arguments.size
    words = (contender.file, contender.backend, contender.precision, width, height)
    command = [sys.executable, "-c", _START, *map(str, words)]
    begin = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - begin, float(result.stdout)


def _processor(size: tuple[int, int]) -> str:
    """With the number of threads and the size of the images: what figures are comparable in."""
    return f"{processor_name()}, {torch.get_num_threads()} threads, {size[0]}x{size[1]}"


def _cells(row: Row) -> tuple[str, ...]:
    resident = "" if row.resident_mib is None else f"{row.resident_mib:.0f}"
    start = "" if row.start_seconds is None else f"{row.start_seconds:.1f}"
    return (
        row.network,
        str(row.memory_size),
        str(row.window_size) if row.memory_size else "",
        row.backend,
        f"{row.milliseconds:.1f}",
        f"{row.ratio:.2f}",
        f"{row.agreement:.2%}",
        resident,
        start,
    )
