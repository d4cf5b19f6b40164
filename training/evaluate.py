"""Score a network on held-out synthetic streets, frame by frame as a robot would see them.

    python training/evaluate.py --checkpoint runs/synthetic/lma2.safetensors --json result.json

The streets' seeds lie outside of those that `train.py` draws.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

from tqdm import tqdm

from lmanet_core import VideoSegmenter, load
from lmanet_core.data.synthetic import StreetConfig, StreetVideo
from lmanet_core.metrics import ConfusionMatrix

FIRST_SEED = 2**31
"""Training draws its streets from below."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", help="file or shipped name; default: the shipped default")
    parser.add_argument("--memory-size", type=int, help="default: as trained")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--streets", type=int, default=10)
    parser.add_argument("--frames", type=int, default=30, help="of each street")
    parser.add_argument("--noise", type=float, default=8.0)
    parser.add_argument("--flicker", type=float, default=0.05)
    parser.add_argument("--occlusion-rate", type=float, default=0.5)
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()

    model = load(arguments.checkpoint)
    segmenter = VideoSegmenter(model, arguments.memory_size, arguments.precision)
    sensor = StreetConfig(
        noise=arguments.noise, flicker=arguments.flicker, occlusion_rate=arguments.occlusion_rate
    )
    matrix = ConfusionMatrix(len(model.config.classes))
    for street in tqdm(range(arguments.streets), "streets"):
        segmenter.reset()
        video = StreetVideo(FIRST_SEED + street, sensor)
        for image, labels in itertools.islice(video, arguments.frames):
            matrix.update(segmenter.step(image, confidence=False).labels, labels)
    ious = dict(zip(model.config.classes.names, matrix.iou().tolist(), strict=True))
    for name, iou in ious.items():
        print(f"{name:>14} {100 * iou:6.2f}")
    print(f"{'mIoU':>14} {100 * matrix.miou():6.2f}")
    if arguments.json:
        settings = {key: value for key, value in vars(arguments).items() if key != "json"}
        figures = {"miou": matrix.miou(), "iou": ious, "settings": settings}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
