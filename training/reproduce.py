"""Make the paper's tables on a data set: train what they need, score it, set it beside the paper.

    python training/reproduce.py --config training/configs/cityscapes_erfnet.yaml \\
        --tables I II III --output runs/tables

Networks and figures that are in the output folder already are not made again, so a run that was
interrupted goes on. The tables go to `tables.md` and `tables.json` there, what each class gains to
pictures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lmanet_core.program.run_program import require_writable, run_program
from lmanet_core.training import config_overrides
from lmanet_core.training.paper_tables import PAPER_TABLES
from lmanet_core.training.stopping import STOPPED_STATUS, Stopped
from lmanet_core.training.training_config import USER_ERRORS, read_settings


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="as of train.py")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--tables", nargs="+", default=list(PAPER_TABLES), metavar="TABLE", help="default: all"
    )
    parser.add_argument("--split", default="val", help="of the data set, to score on")
    parser.add_argument("--seed", type=int, help="default: the configuration's")
    config_overrides.add_arguments(parser)
    parser.add_argument(
        "--train-each",
        action="store_true",
        help="train for each memory size and window, not only run the main network with them",
    )
    arguments = parser.parse_args()
    return run_program("reproduce.py", lambda: run(arguments), USER_ERRORS, extra="train")


def run(arguments: argparse.Namespace) -> int:
    # Imported here so that a package that is missing can be told.
    from lmanet_core.training.reproduction import Reproduction

    settings = config_overrides.overridden(read_settings(arguments.config), arguments)
    if arguments.seed is not None:
        settings["seed"] = arguments.seed
    require_writable(arguments.output, folder=True)
    reproduction = Reproduction(settings, arguments.output, arguments.split, arguments.train_each)
    try:
        print(reproduction.make(arguments.tables))
    except Stopped as stop:
        print(f"reproduce.py: {stop}", file=sys.stderr)
        return STOPPED_STATUS + stop.signal
    return 0


if __name__ == "__main__":
    sys.exit(main())
