"""`lmanet reproduce`: the paper's tables on any data set.

lmanet reproduce --config training/configs/davis.yaml --tables I --output runs/davis
"""

from __future__ import annotations

import argparse

from lmanet_core.program.run_program import require_writable
from lmanet_core.training import training_config
from lmanet_core.training.config_overrides import add_arguments as add_config_arguments
from lmanet_core.training.config_overrides import configured
from lmanet_core.training.paper_tables import PAPER_TABLES
from lmanet_core.training.stopping import exit_when_stopped

HELP = "make the paper's tables on a data set: train, score, print beside the paper's figures"
EXTRA = "train"
USER_ERRORS = training_config.USER_ERRORS
DESCRIPTION = """\
Make the paper's tables on a data set: train what they need, score it, set it beside the paper.

    lmanet reproduce --config training/configs/cityscapes_erfnet.yaml --tables I II III \\
        --output runs/tables

Networks and figures that are in the output folder already are not made again, so a run that was
interrupted goes on. The tables go to `tables.md` and `tables.json` there, what each class gains to
pictures.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_config_arguments(parser)
    parser.add_argument(
        "--tables",
        nargs="+",
        default=list(PAPER_TABLES),
        metavar="TABLE",
        help="tables to make; default: all",
    )
    parser.add_argument(
        "--split", default="val", help="part of the data set to score on; default: val"
    )
    parser.add_argument(
        "--train-each",
        action="store_true",
        help="train a network for each memory size and window; else the main one runs with each",
    )


def run(arguments: argparse.Namespace) -> None:
    """Train and score what is not there yet, and print the tables.

    Raises:
        USER_ERRORS: settings, data or weights cannot be used.
    """
    from lmanet_core.training.reproduction import Reproduction

    settings = configured(arguments)
    require_writable(arguments.output, folder=True)
    reproduction = Reproduction(settings, arguments.output, arguments.split, arguments.train_each)
    with exit_when_stopped("lmanet reproduce"):
        print(reproduction.make(arguments.tables))
