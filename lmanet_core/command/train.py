"""`lmanet train`: train a network in stages, as a configuration file says.

lmanet train --config training/configs/street.yaml --output runs/street
"""

from __future__ import annotations

import argparse

from lmanet_core.program.run_program import require_writable
from lmanet_core.training import training_config
from lmanet_core.training.config_overrides import add_arguments as add_config_arguments
from lmanet_core.training.config_overrides import configured
from lmanet_core.training.stopping import exit_when_stopped

HELP = "train a network in stages, as a configuration file says"
EXTRA = "train"
USER_ERRORS = training_config.USER_ERRORS
DESCRIPTION = """\
Train a network in stages: single frame first, then the memory, then memory and decoder.

    lmanet train --config training/configs/erfnet_synthetic.yaml --output runs/synthetic

Each stage starts from the one before and leaves `<stage>.safetensors` in the output folder; stages
whose file is there already are skipped, and a stage that was interrupted goes on where it was. With
several GPUs, one process for each:

    torchrun --nproc-per-node 4 training/train.py --config ... --output ...

or `srun` in a SLURM job with `--ntasks-per-node` = GPUs of a node.

Curves: `tensorboard --logdir runs/synthetic/tensorboard`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_config_arguments(parser)
    parser.add_argument(
        "--threads", type=int, default=0, help="threads on the CPU; 0: PyTorch chooses"
    )


def run(arguments: argparse.Namespace) -> None:
    """Train all stages that are not done yet.

    Raises:
        USER_ERRORS: settings, data or weights cannot be used.
    """
    import torch

    from lmanet_core.training.run import train

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    settings = configured(arguments)
    require_writable(arguments.output, folder=True)
    with exit_when_stopped("lmanet train"):
        result = train(settings, arguments.output)
        print(f"the last stage's network: {result}")
