"""What `lmanet reproduce` is, see `python training/reproduce.py --help`."""

import sys

from lmanet_core.command.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", *sys.argv[1:]]))
