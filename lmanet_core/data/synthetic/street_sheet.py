"""`lmanet street`: look at the synthetic street.

lmanet street --output sheet.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.network.classes import CITYSCAPES
from lmanet_core.output.files import write_picture
from lmanet_core.output.pictures import contact_sheet
from lmanet_core.program.run_program import require_writable

HELP = "draw a contact sheet of the synthetic street"
EXTRA = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--output", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--seed", type=int, default=1, help="random seed of the first street")
    parser.add_argument("--streets", type=int, default=5)


def run(arguments: argparse.Namespace) -> None:
    """Write the sheet: image, labels, and the same through a bad sensor."""
    require_writable(arguments.output, folder=False)
    sensor = StreetConfig(noise=8, flicker=0.05, motion_blur=0.5, occlusion_rate=15)
    rows = []
    for seed in range(arguments.seed, arguments.seed + arguments.streets):
        clean, dirty = StreetVideo(seed), StreetVideo(seed, sensor)
        clean.skip(45)
        dirty.skip(45)
        image, labels = next(clean)
        rows.append((image, CITYSCAPES.colorize(labels), next(dirty)[0]))
    sheet = contact_sheet(rows, ("image", "labels", "the same through a bad sensor"))
    write_picture(arguments.output, sheet)
    print(f"wrote {arguments.output}")
