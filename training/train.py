"""Train a network in stages: single frame first, then the memory, then memory and decoder.

    python training/train.py --config training/configs/erfnet_synthetic.yaml --output runs/synthetic

Each stage starts from the one before and leaves `<stage>.safetensors` in the output folder; stages
whose file is there already are skipped, and a stage that was interrupted goes on where it was. With
several GPUs, one process for each:

    torchrun --nproc-per-node 4 training/train.py --config ... --output ...

or `srun` in a SLURM job with `--ntasks-per-node` = GPUs of a node.

Curves: `tensorboard --logdir runs/synthetic/tensorboard`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from lmanet_core.program.run_program import require_writable, run_program
from lmanet_core.training import config_overrides
from lmanet_core.training.stopping import STOPPED_STATUS, Stopped
from lmanet_core.training.training_config import USER_ERRORS, read_settings


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--seed", type=int, help="default: the configuration's")
    config_overrides.add_arguments(parser)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: PyTorch's choice")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    return run_program("train.py", lambda: run(arguments), USER_ERRORS, extra="train")


def run(arguments: argparse.Namespace) -> int:
    # Imported here so that a package that is missing can be told.
    from lmanet_core.training.run import train

    settings = config_overrides.overridden(read_settings(arguments.config), arguments)
    if arguments.seed is not None:
        settings["seed"] = arguments.seed
    require_writable(arguments.output, folder=True)
    try:
        result = train(settings, arguments.output)
    except Stopped as stop:
        print(f"train.py: {stop}", file=sys.stderr)
        return STOPPED_STATUS + stop.signal
    print(f"the last stage's network: {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
