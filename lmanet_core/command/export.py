"""`lmanet export`: a checkpoint becomes a file that other runtimes execute.

lmanet export street-camvid mine.lmanet
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmanet_core.checkpoint import (
    checkpoint_hash,
    load,
    load_provenance,
    load_work_size,
)
from lmanet_core.program.arguments import image_size
from lmanet_core.program.run_program import require_writable
from lmanet_core.runtime.graph_info import GraphInfo

if TYPE_CHECKING:
    from lmanet_core.models import LMANet

HELP = "turn a checkpoint into a file for streaming without PyTorch"
EXTRA = "export"
DEFAULT_SIZE = (1024, 512)
FORMATS = ("network", "onnx", "tensorrt")
_FORMATS_BY_SUFFIX = {".onnx": "onnx", ".engine": "tensorrt"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("checkpoint", help=".safetensors file or name of shipped weights")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="network: for CPUs, by OpenVINO or ONNX Runtime and this library's kernel; onnx: one "
        "plain graph; tensorrt: an engine; default: by the ending of OUT",
    )
    parser.add_argument(
        "--operator",
        choices=("plugin", "tiled"),
        help="form of local attention: plugin, one node for TensorRT only, or tiled, standard "
        "operators; default: plugin in an engine that can have it, else tiled",
    )
    parser.add_argument(
        "--size",
        type=image_size,
        help="size at which the network runs; images of other sizes are resized; default: what the "
        "checkpoint records, else 1024x512; a network file then takes as many pixels in the "
        "camera's proportions",
    )
    parser.add_argument(
        "--memory-size", type=int, help="past frames to remember; default: the model's"
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        help="precision of the computation; int8 is for the format network; default: fp16 for an "
        "engine, else fp32, which OpenVINO runs in bf16 where that is faster",
    )
    int8 = parser.add_argument_group("int8")
    int8.add_argument(
        "--calibrate",
        metavar="BAG|VIDEO|FOLDER|synthetic",
        help="frames like those that the network will see: a recording, a video file, a folder of "
        "images, or 'synthetic'",
    )
    int8.add_argument(
        "--image-topic", default="", help="camera topic of the recording; default: its only one"
    )
    int8.add_argument(
        "--calibration-frames", type=int, default=30, help="number of them; default: 30"
    )
    int8.add_argument(
        "--held-out-frames",
        type=int,
        default=10,
        help="number of frames after these, on which int8 and fp32 are compared; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--half-weights",
        action="store_true",
        help="store the weights of a network file in fp16: half the size, computed in fp32",
    )
    engine = parser.add_argument_group("engines")
    engine.add_argument(
        "--runtime",
        choices=("tensorrt", "tensorrt_rtx"),
        help="what builds the engine; default: tensorrt",
    )
    engine.add_argument(
        "--gpus",
        type=int,
        nargs="+",
        default=[],
        metavar="CC",
        help="compute capabilities such as 89, for tensorrt_rtx; default: this machine's",
    )
    engine.add_argument(
        "--largest-image",
        type=image_size,
        default=(4096, 2304),
        help="largest image that the camera sends",
    )
    engine.add_argument("--timing-cache", type=Path, help="file that makes later builds faster")
    engine.add_argument(
        "--rebuild-if-stale",
        action="store_true",
        help="do nothing if OUT is what would be built",
    )


def run(arguments: argparse.Namespace) -> None:
    """Export, and say what was written.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ValueError: an option is out of range or does not fit the others.
        MissingExtraError: a package is missing.
    """
    require_writable(arguments.output, folder=False)
    file_format = arguments.format or _FORMATS_BY_SUFFIX.get(arguments.output.suffix, "network")
    _check(file_format, arguments)
    _tell(f"reading {arguments.checkpoint}")
    import onnxscript  # noqa: F401
    import torch  # noqa: F401

    model = load(arguments.checkpoint)
    provenance = load_provenance(arguments.checkpoint) | {
        "checkpoint_sha256": checkpoint_hash(arguments.checkpoint)
    }
    work_size = arguments.size or load_work_size(arguments.checkpoint) or DEFAULT_SIZE
    export = {"network": _export_network, "onnx": _export_onnx, "tensorrt": _build_engine}
    graph = export[file_format](model, arguments, work_size, provenance)
    width, height = graph.work_size
    proportions = ", or as many pixels in other proportions" if graph.side_multiple else ""
    print(
        f"{arguments.output}: {width}x{height}{proportions}, {graph.precision}, "
        f"memory of {graph.memory_size} frames, {graph.operator or 'no'} attention"
    )


def _tell(step: str) -> None:
    """Print a step at once, since each takes seconds, some of them half a minute."""
    print(f"{step} ...", file=sys.stderr, flush=True)


def _check(file_format: str, arguments: argparse.Namespace) -> None:
    """Refuse what no format takes, before anything takes time."""
    if file_format == "network" and arguments.operator is not None:
        raise ValueError("--operator is for the formats onnx and tensorrt; this one has the kernel")
    if file_format == "network" and arguments.precision == "fp16":
        raise ValueError("--precision of the format network is fp32 or int8, got fp16")
    if arguments.half_weights and (file_format != "network" or arguments.precision == "int8"):
        raise ValueError("--half-weights is for network files in fp32")
    if (arguments.precision == "int8") != (arguments.calibrate is not None):
        raise ValueError("--precision int8 and --calibrate go together; give both or neither")
    if file_format != "network" and arguments.precision == "int8":
        raise ValueError(f"--precision int8 needs the format network, got {file_format}")


def _export_network(
    model: LMANet,
    arguments: argparse.Namespace,
    work_size: tuple[int, int],
    provenance: dict[str, Any],
) -> GraphInfo:
    from lmanet_core.export import can_take_any_size, export_network

    any_size = arguments.size is None and can_take_any_size(model)
    options = {
        "work_size": work_size,
        "any_size": any_size,
        "half_weights": arguments.half_weights,
        "memory_size": arguments.memory_size,
        "provenance": provenance,
        "say": _tell,
    }
    if arguments.precision != "int8":
        return export_network(model, arguments.output, **options)
    from lmanet_core.data.calibration import calibration_frames
    from lmanet_core.export.quantization import quantize

    calibration, held_out = calibration_frames(
        arguments.calibrate,
        arguments.calibration_frames,
        arguments.held_out_frames,
        work_size,
        arguments.image_topic,
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "fp32.lmanet"
        export_network(model, source, **options)
        graph = quantize(source, arguments.output, calibration, held_out, _tell)
    print(f"int8 gives {graph.agreement:.2%} of the pixels the label of fp32")
    return graph


def _export_onnx(
    model: LMANet,
    arguments: argparse.Namespace,
    work_size: tuple[int, int],
    provenance: dict[str, Any],
) -> GraphInfo:
    from lmanet_core.export import export_onnx

    _tell("tracing the network")
    return export_onnx(
        model,
        arguments.output,
        operator=arguments.operator or "tiled",
        precision=arguments.precision or "fp32",
        work_size=work_size,
        memory_size=arguments.memory_size,
        provenance=provenance,
    )


def _build_engine(
    model: LMANet,
    arguments: argparse.Namespace,
    work_size: tuple[int, int],
    provenance: dict[str, Any],
) -> GraphInfo:
    from lmanet_core.export import EngineOptions, build_engine

    options = EngineOptions(
        runtime=arguments.runtime,
        operator=arguments.operator,
        precision=arguments.precision or "fp16",
        work_size=work_size,
        memory_size=arguments.memory_size,
        largest_image=arguments.largest_image,
        chips=tuple(arguments.gpus),
        timing_cache=arguments.timing_cache,
    )
    _tell("tracing the network and building the engine")
    info = build_engine(
        model,
        arguments.output,
        options,
        rebuild_if_stale=arguments.rebuild_if_stale,
        provenance=provenance,
    )
    print(f"{arguments.output}: {info.runtime} {info.version} for {', '.join(info.gpus)}")
    return info.graph
