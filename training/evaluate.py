"""Score a network on a data set, frame by frame as a robot would see it: `lmanet evaluate`.

    python training/evaluate.py --dataset camvid --root data/camvid --split val \\
        --checkpoint street --memory-size 4 --json result.json

Without --dataset it drives down synthetic streets that training never sees. Two results side by
side, with an interval for the gain:

    python training/evaluate.py --compare single.json memory-1.json,memory-2.json,memory-3.json

How it bears the field's standard corruptions, single frames beside the memory:

    python training/evaluate.py --dataset camvid --root data/camvid --corruption all --severity 3 \\
        --json corruptions.json --plot corruptions.png
"""

from __future__ import annotations

import argparse
import sys

from lmanet_core.command import evaluate
from lmanet_core.program.run_program import run_program


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    evaluate.add_arguments(parser)
    arguments = parser.parse_args()
    return run_program("evaluate.py", lambda: arguments.run(arguments), extra="train")


if __name__ == "__main__":
    sys.exit(main())
