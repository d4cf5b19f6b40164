"""`lmanet info`: what is in a checkpoint, or an exported file, and what running it costs.

lmanet info street
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmanet_core.checkpoint import load, load_provenance, load_work_size
from lmanet_core.program.arguments import image_size
from lmanet_core.runtime.engine_file import is_engine, read_engine
from lmanet_core.runtime.graph_info import read_onnx_info
from lmanet_core.runtime.network_classes import find_graph_info

if TYPE_CHECKING:
    from lmanet_core.models import LMANet
    from lmanet_core.models.cost import NetworkCost

HELP = "show architecture, classes, cost and provenance of a checkpoint or an exported file"
EXTRA = "torch"
DEFAULT_SIZE = (1024, 512)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "file", help=".safetensors file, name of shipped weights, or what `lmanet export` wrote"
    )
    parser.add_argument(
        "--size",
        type=image_size,
        default=DEFAULT_SIZE,
        help="image size for which a checkpoint's cost is computed; default: 1024x512",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the file's facts.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        GraphFileError: the exported file is damaged.
        MissingExtraError: a package is missing, of which exported files for CPUs need none.
    """
    exported = _exported_record(Path(arguments.file))
    if exported is None:
        sections = _checkpoint_sections(arguments.file, arguments.size)
    else:
        sections = _exported_sections(exported)
    for title, lines in sections.items():
        print(title)
        for line in lines:
            print(f"  {line}")


def _checkpoint_sections(file: str, size: tuple[int, int]) -> Mapping[str, Iterator[str]]:
    model = load(file)
    from lmanet_core.models.cost import network_cost

    cost = network_cost(model, size)
    return {
        "architecture": _architecture(model.config.to_dict()),
        "parameters": _parameters(model),
        f"GMACs per frame at {cost.size[0]}x{cost.size[1]}": _gmacs(cost),
        "memory per remembered frame": _memory(model, cost),
        "work": _lines({"size": load_work_size(file) or "not recorded"}),
        "provenance": _lines(load_provenance(file)),
    }


def _exported_record(path: Path) -> dict[str, Any] | None:
    """What an exported file says of itself; None for a checkpoint."""
    if not path.is_file() or path.suffix == ".safetensors":
        return None
    if is_engine(path):
        engine = read_engine(path)[0]
        return asdict(engine.graph) | {
            "built by": f"{engine.runtime} {engine.version}",
            "built for": ", ".join(engine.gpus),
        }
    info = find_graph_info(path)
    return asdict(read_onnx_info(path) if info is None else info)


def _exported_sections(record: dict[str, Any]) -> Mapping[str, Iterator[str]]:
    config, provenance = record.pop("config"), record.pop("provenance")
    graph = {
        name.replace("_", " "): "x".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in record.items()
        if value not in ("", None)
    }
    return {
        "exported graph": _lines(graph),
        "architecture of the checkpoint": _architecture(config),
        "provenance of the checkpoint": _lines(provenance),
    }


def _architecture(config: Mapping[str, Any]) -> Iterator[str]:
    values = dict(config)
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
