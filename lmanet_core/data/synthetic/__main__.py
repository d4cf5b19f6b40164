"""`python -m lmanet_core.data.synthetic`: what `lmanet street` is."""

import sys

from lmanet_core.data.synthetic import street_sheet
from lmanet_core.program.verb import run_verb

if __name__ == "__main__":
    sys.exit(run_verb(street_sheet, "python -m lmanet_core.data.synthetic"))
