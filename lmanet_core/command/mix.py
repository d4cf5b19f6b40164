"""`lmanet mix`: weights between those of a network and those that it became.

lmanet mix street mine.safetensors mixed.safetensors --share 0.3
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lmanet_core.checkpoint import load, load_provenance, load_work_size, save_checkpoint
from lmanet_core.program.run_program import require_writable

HELP = "interpolate between a network's weights before and after training"
EXTRA = "torch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "before", help="the network before training: a file or a name of shipped weights"
    )
    parser.add_argument("after", help="the same network after training")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write, .safetensors")
    parser.add_argument(
        "--share",
        type=float,
        default=0.3,
        help="0 is BEFORE, 1 is AFTER; default: %(default)s",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the checkpoint. Its memory, if BEFORE has one, is that of BEFORE.

    Raises:
        CheckpointError: one of the two cannot be used.
        ValueError: the share is out of range, or the networks differ in more than their weights.
    """
    if not 0 <= arguments.share <= 1:
        raise ValueError(f"--share must be in 0..1, got {arguments.share}")
    require_writable(arguments.output, folder=False)
    before, after = load(arguments.before), load(arguments.after)
    from lmanet_core.models.surgery import interpolate

    trained = load_provenance(arguments.after)
    provenance = load_provenance(arguments.before) | {
        "mixed": f"{arguments.share:g} of the way to {Path(arguments.after).stem}, "
        f"stage {trained.get('stage', 'not told')}, step {trained.get('step', 'not told')}"
    }
    save_checkpoint(
        interpolate(before, after, arguments.share),
        arguments.output,
        provenance=provenance,
        work_size=load_work_size(arguments.before),
    )
    print(f"written to {arguments.output}")
