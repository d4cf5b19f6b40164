"""`python -m lmanet_ros.demo`: a door to `lmanet demo`."""

import sys

from lmanet_core.program.verb import run_verb
from lmanet_ros.demo import verb

if __name__ == "__main__":
    sys.exit(run_verb(verb, "demo"))
