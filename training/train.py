"""What `lmanet train` is, see `python training/train.py --help`."""

import sys

from lmanet_core.command.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
