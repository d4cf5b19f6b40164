"""python -m lmanet_core.data.synthetic --output sheet.png: look at the synthetic street."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.network.classes import CITYSCAPES
from lmanet_core.output.files import write_picture
from lmanet_core.output.pictures import contact_sheet
from lmanet_core.program.run_program import require_writable, run_program


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw a contact sheet of the synthetic street.")
    parser.add_argument("--output", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--seed", type=int, default=1, help="of the first street")
    parser.add_argument("--streets", type=int, default=5)
    arguments = parser.parse_args()
    return run_program("synthetic", lambda: draw(arguments))


def draw(arguments: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
