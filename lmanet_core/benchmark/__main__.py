"""`python -m lmanet_core.benchmark`: what `lmanet benchmark` is."""

import sys

from lmanet_core.benchmark import benchmark_verb
from lmanet_core.program.verb import run_verb

if __name__ == "__main__":
    sys.exit(run_verb(benchmark_verb, "python -m lmanet_core.benchmark"))
