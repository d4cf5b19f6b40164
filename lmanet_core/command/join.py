"""`lmanet join`: a network gets the memory of another one.

lmanet join mine.safetensors street joined.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lmanet_core.checkpoint import load, load_provenance, load_work_size, save_checkpoint
from lmanet_core.program.run_program import require_writable

HELP = "give a tuned network the memory of the network that it was tuned from"
EXTRA = "torch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "network", help="the tuned network: encoder, decoder and classes are taken from it"
    )
    parser.add_argument(
        "memory", help="the network whose memory is taken; a file or a name of shipped weights"
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write, .safetensors")


def run(arguments: argparse.Namespace) -> None:
    """Write the checkpoint.

    Raises:
        CheckpointError: one of the two cannot be used.
        ValueError: there is no memory, or the networks are of two kinds.
    """
    require_writable(arguments.output, folder=False)
    network, other = load(arguments.network), load(arguments.memory)
    from lmanet_core.models.surgery import with_memory_of

    save_checkpoint(
        with_memory_of(network, other),
        arguments.output,
        provenance=_provenance(arguments),
        work_size=load_work_size(arguments.network),
    )
    print(f"written to {arguments.output}")


def _provenance(arguments: argparse.Namespace) -> dict[str, Any]:
    """The network's, and where its memory is from."""
    of_memory = load_provenance(arguments.memory)
    origin = of_memory.get("stages") or of_memory.get("config") or "not told"
    return load_provenance(arguments.network) | {
        "memory": f"that of {Path(arguments.memory).stem}, joined: {origin}"
    }
