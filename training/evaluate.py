"""What `lmanet evaluate` is, see `python training/evaluate.py --help`."""

import sys

from lmanet_core.command.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
