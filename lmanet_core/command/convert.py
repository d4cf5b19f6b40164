"""`lmanet convert`: a published checkpoint becomes one of this library.

lmanet convert lmanet_erf_best.pth erfnet-lma.safetensors
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from lmanet_core.checkpoint import PRECISIONS, save_checkpoint
from lmanet_core.network.classes import CITYSCAPES
from lmanet_core.program.arguments import window_size
from lmanet_core.program.run_program import require_writable

if TYPE_CHECKING:
    from lmanet_core.conversion import Conversion

HELP = "turn a published .pth checkpoint into a .safetensors checkpoint of this library"
EXTRA = "torch"
WORK_SIZES = {"erfnet": (1024, 512)}
"""(width, height) that published networks for Cityscapes were trained and are run at; the others'
were trained on crops of any."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("input", type=Path, metavar="IN", help="published file, .pth")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write, .safetensors")
    parser.add_argument(
        "--classes",
        type=Path,
        help="YAML file with class_names and palette; default: the 19 classes of Cityscapes",
    )
    parser.add_argument(
        "--window-size",
        type=window_size,
        help="side of the attention window that the weights were trained with, odd, or 'global'; "
        "the file does not tell; default: 21",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="number format of the weights in OUT",
    )


def run(arguments: argparse.Namespace) -> None:
    """Convert the file and say what became of its tensors.

    Raises:
        CheckpointError: the file cannot be read, or does not fit the network it seems to be of.
        ValueError: the file with the classes is not what it should be.
    """
    import torch

    from lmanet_core.conversion import ConversionError, convert, read_state_dict
    from lmanet_core.data.recording import read_classes
    from lmanet_core.models.surgery import with_window_size

    require_writable(arguments.output, folder=False)
    classes = read_classes(arguments.classes) if arguments.classes else CITYSCAPES
    tensors = read_state_dict(arguments.input)
    try:
        conversion = convert(tensors, classes)
    except ConversionError as error:
        raise ConversionError(f"{arguments.input}: {error}") from None
    model = conversion.model
    if arguments.window_size is not None:
        everywhere = arguments.window_size == "global"
        model = with_window_size(model, None if everywhere else arguments.window_size)
    provenance = {
        "converted_from": arguments.input.name,
        "sha256": hashlib.sha256(arguments.input.read_bytes()).hexdigest(),
        "recognised_as": conversion.title,
    }
    dtype = getattr(torch, PRECISIONS[arguments.precision])
    save_checkpoint(
        model,
        arguments.output,
        dtype=dtype,
        provenance=provenance,
        work_size=WORK_SIZES.get(model.config.backbone) if classes == CITYSCAPES else None,
    )
    print(f"{arguments.input}: {conversion.title}, {len(tensors)} tensors")
    _print_what_is_left(conversion)
    print(f"written to {arguments.output}")


def _print_what_is_left(conversion: Conversion) -> None:
    if conversion.left_out:
        print(f"left out, of no use to segment: {', '.join(conversion.left_out)}")
    if conversion.dropped_outputs:
        print("left out, the last output, 'ignore'")
