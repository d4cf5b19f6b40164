"""`python -m lmanet_core.benchmark`: what `lmanet benchmark` is."""

import sys

from lmanet_core.benchmark import verb
from lmanet_core.program.verb import run_verb

if __name__ == "__main__":
    sys.exit(run_verb(verb, "python -m lmanet_core.benchmark"))
