"""`lmanet export`: a checkpoint becomes a file that other runtimes execute."""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path

from lmanet_core.arguments import image_size
from lmanet_core.checkpoint import load
from lmanet_core.program import require_writable

HELP = "turn a checkpoint into an ONNX file or a TensorRT engine for streaming"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("checkpoint", help=".safetensors file or name of shipped weights")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write")
    parser.add_argument("--format", choices=("onnx", "tensorrt"), default="onnx")
    parser.add_argument(
        "--operator",
        choices=("plugin", "tiled"),
        help="local attention as one node, for TensorRT only, or in standard operators; default: "
        "plugin in an engine that can have it, otherwise tiled",
    )
    parser.add_argument(
        "--size",
        type=image_size,
        default=(1024, 512),
        help="WIDTHxHEIGHT at which the network runs; camera images of other sizes are resized",
    )
    parser.add_argument("--memory-size", type=int, help="frames remembered; default: the model's")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16"),
        help="of weights, features and memory; default: fp32 for ONNX, fp16 for an engine",
    )
    engine = parser.add_argument_group("engines")
    engine.add_argument(
        "--runtime", choices=("tensorrt", "tensorrt_rtx"), help="default: the first"
    )
    engine.add_argument(
        "--gpus",
        type=int,
        nargs="+",
        default=[],
        metavar="CC",
        help="compute capabilities, 89 for example, for tensorrt_rtx; default: this machine's",
    )
    engine.add_argument(
        "--largest-image", type=image_size, default=(4096, 2304), help="most the camera may send"
    )
    engine.add_argument("--timing-cache", type=Path, help="file that makes later builds faster")
    engine.add_argument(
        "--rebuild-if-stale",
        action="store_true",
        help="leave OUT alone if it is what would be built here",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Export, and say what was written.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ValueError: an option is out of range or a package is missing.
    """
    # Imported here: reading and converting checkpoints needs nothing of this.
    from lmanet_core.export import EngineOptions, build_engine, export_onnx

    require_writable(arguments.output, folder=False)
    # The exporter misses a package of no use here, and warns of its own use of PyTorch.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="copyreg")
    model = load(arguments.checkpoint)
    if arguments.format == "tensorrt":
        options = EngineOptions(
            runtime=arguments.runtime,
            operator=arguments.operator,
            precision=arguments.precision or "fp16",
            work_size=arguments.size,
            memory_size=arguments.memory_size,
            largest_image=arguments.largest_image,
            chips=tuple(arguments.gpus),
            timing_cache=arguments.timing_cache,
        )
        info = build_engine(
            model, arguments.output, options, rebuild_if_stale=arguments.rebuild_if_stale
        )
        print(f"{arguments.output}: {info.runtime} {info.version} for {', '.join(info.gpus)}")
        graph = info.graph
    else:
        graph = export_onnx(
            model,
            arguments.output,
            operator=arguments.operator or "tiled",
            precision=arguments.precision or "fp32",
            work_size=arguments.size,
            memory_size=arguments.memory_size,
        )
    width, height = graph.work_size
    print(
        f"{arguments.output}: {width}x{height}, {graph.precision}, "
        f"memory of {graph.memory_size} frames, {graph.operator or 'no'} attention"
    )
