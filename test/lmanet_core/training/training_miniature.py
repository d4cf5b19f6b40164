"""A few frames of CamVid's layout, and settings of a run of all kinds of stages on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

FRAMES = 8


def write_frames(root: Path, split: str, largest_label: int = 10) -> None:
    random = np.random.default_rng(0)
    for number in range(FRAMES):
        name = f"0001TP_{30 * number:06}.png"
        patches = random.integers(largest_label + 1, size=(4, 6), dtype=np.uint8)
        labels = cv2.resize(patches, (48, 32), interpolation=cv2.INTER_NEAREST)
        image = np.repeat(20 * labels[..., None], 3, axis=2)
        for folder, picture in ((split, image), (f"{split}annot", labels)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / folder / name), picture)


def run_settings(root: Path) -> dict[str, Any]:
    clips = {"frames": 3}
    return {
        "seed": 1,
        "model": {"backbone": "erfnet", "memory_size": 2, "window_size": 3},
        "data": {
            "dataset": "camvid",
            "root": str(root),
            "augmentation": {"crop_size": [32, 24]},
        },
        "validation": {"split": "val", "every": 2, "frames": 3},
        "precision": "fp32",
        "workers": 0,
        "save_every": 2,
        "stages": [
            {
                "name": "single",
                "trains": ["encoder", "decoder"],
                "steps": 3,
                "batch_size": 2,
                "optimizer": "adamw",
                "schedule": "one_cycle",
                "learning_rate": 1e-3,
            },
            {
                "name": "features",
                "trains": ["memory"],
                "data": {**clips, "clips": "pseudo"},
                "target": "features",
                "corruption": {"chance": 0.5, "noise": 20},
                "supervise": "all",
                "steps": 2,
                "batch_size": 2,
            },
            {
                "name": "lma1",
                "trains": ["memory"],
                "data": {**clips, "corrupt_last_frame": {"chance": 0.5}},
                "shortest_clip": 2,
                "epochs": 1,
                "batch_size": 4,
            },
            {
                "name": "lma2",
                "trains": ["memory", "decoder"],
                "data": clips,
                "steps": 2,
                "batch_size": 2,
                "fixed_statistics": ["memory"],
            },
        ],
    }
