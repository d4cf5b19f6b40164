"""`lmanet info`: what is in a checkpoint and what running it costs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from lmanet_core.arguments import image_size
from lmanet_core.checkpoint import load, load_provenance, load_training_size
from lmanet_core.models import LMANet
from lmanet_core.models.cost import NetworkCost, network_cost

HELP = "architecture, classes, parameters, cost and provenance of a checkpoint"
DEFAULT_SIZE = (1024, 512)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("checkpoint", help=".safetensors file or name of shipped weights")
    parser.add_argument(
        "--size", type=image_size, default=DEFAULT_SIZE, help="WIDTHxHEIGHT; default: 1024x512"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the checkpoint's facts.

    Raises:
        CheckpointError: the file cannot be used.
    """
    model = load(arguments.checkpoint)
    cost = network_cost(model, arguments.size)
    sections = {
        "architecture": _architecture(model),
        "parameters": _parameters(model),
        f"GMACs per frame at {cost.size[0]}x{cost.size[1]}": _gmacs(cost),
        "memory per remembered frame": _memory(model, cost),
        "training": _lines({"size": load_training_size(arguments.checkpoint) or "not recorded"}),
        "provenance": _lines(load_provenance(arguments.checkpoint)),
    }
    for title, lines in sections.items():
        print(title)
        for line in lines:
            print(f"  {line}")


def _architecture(model: LMANet) -> Iterator[str]:
    values = model.config.to_dict()
    names = values.pop("class_names")
    del values["palette"]
    yield from _lines(values)
    yield from _lines({"classes": f"{len(names)}: {', '.join(names)}"})


def _parameters(model: LMANet) -> Iterator[str]:
    counts = {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in model.named_children()
    }
    for name, count in {**counts, "total": sum(counts.values())}.items():
        yield f"{name:18} {count:>12,}"


def _gmacs(cost: NetworkCost) -> Iterator[str]:
    for stage, macs in {**cost.macs, "total": sum(cost.macs.values())}.items():
        yield f"{stage:18} {macs / 1e9:>12.3f}"


def _memory(model: LMANet, cost: NetworkCost) -> Iterator[str]:
    channels, rows, columns = cost.features
    yield from _lines({"features": f"{channels} x {rows} x {columns}"})
    frames = model.config.memory_size
    for name, size in (("fp32", 4), ("bf16 and fp16", 2)):
        mebibytes = size * cost.values_per_frame / 2**20
        yield f"{name:18} {mebibytes:>12.1f} MiB, {frames} frames {frames * mebibytes:.1f} MiB"


def _lines(values: dict) -> Iterator[str]:
    for name, value in values.items():
        yield f"{name:18} {value}"
