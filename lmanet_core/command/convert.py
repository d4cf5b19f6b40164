"""`lmanet convert`: a published checkpoint becomes one of this library."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from lmanet_core.checkpoint import save_checkpoint
from lmanet_core.classes import CITYSCAPES, ClassTable
from lmanet_core.config import ModelConfig
from lmanet_core.extras import needs_extra

if TYPE_CHECKING:
    from lmanet_core.conversion import Conversion

HELP = "turn a published .pth checkpoint into a .safetensors checkpoint of this library"
DTYPES = {"fp32": "float32", "fp16": "float16"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("input", type=Path, metavar="IN", help="published file, .pth")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write, .safetensors")
    parser.add_argument(
        "--classes",
        type=Path,
        help="YAML file with class_names and palette; default: the 19 classes of Cityscapes",
    )
    parser.add_argument("--precision", choices=DTYPES, default="fp32", help="of the numbers in OUT")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Convert the file and say what became of its tensors.

    Raises:
        CheckpointError: the file cannot be read, or does not fit the network it seems to be of.
        ValueError: the file with the classes is not what it should be.
    """
    with needs_extra("torch", "converting"):
        import torch

        from lmanet_core.conversion import convert, read_state_dict

    classes = _read_classes(arguments.classes) if arguments.classes else CITYSCAPES
    tensors = read_state_dict(arguments.input)
    conversion = convert(tensors, classes)
    provenance = {
        "converted_from": arguments.input.name,
        "sha256": hashlib.sha256(arguments.input.read_bytes()).hexdigest(),
        "recognised_as": conversion.title,
    }
    dtype = getattr(torch, DTYPES[arguments.precision])
    save_checkpoint(conversion.model, arguments.output, dtype=dtype, provenance=provenance)
    print(f"{arguments.input}: {conversion.title}, {len(tensors)} tensors")
    _print_what_is_left(conversion)
    print(f"written to {arguments.output}")


def _print_what_is_left(conversion: Conversion) -> None:
    if conversion.left_out:
        print(f"left out, of no use to segment: {', '.join(conversion.left_out)}")
    if conversion.dropped_outputs:
        print("left out, the last output, 'ignore'")


def _read_classes(path: Path) -> ClassTable:
    values = yaml.safe_load(path.read_text())
    if not isinstance(values, dict) or set(values) != {"class_names", "palette"}:
        raise ValueError(f"{path}: expected the two entries class_names and palette")
    return ModelConfig.from_dict(values).classes
