"""Classes of one's own, in the folders that docs/how-to/own_classes.md shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lmanet_core import load
from lmanet_core.training.run import train

GUIDE = Path(__file__).parents[3] / "docs/how-to/own_classes.md"


def test_the_guide_s_folder_trains_a_network_of_its_classes(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    text = GUIDE.read_text()
    classes = re.findall(r"(class_names|palette): (\[.*\])", text)
    root = tmp_path / "mine"
    for folder in ("images", "labels"):
        (root / folder / "hall").mkdir(parents=True)
    for number in range(10):
        labels = np.full((32, 48), number % 2, np.uint8)
        labels[:4] = 255
        cv2.imwrite(str(root / f"images/hall/{number:06}.jpg"), np.dstack([100 * labels] * 3))
        cv2.imwrite(str(root / f"labels/hall/{number:06}.png"), labels)
    (root / "classes.yaml").write_text("".join(f"{key}: {value}\n" for key, value in classes))
    settings["data"] |= {"dataset": "recording", "root": str(root), "split": "train"}
    settings["validation"] = {"split": "val", "every": 1}
    settings["stages"] = [settings["stages"][0] | {"steps": 1}]
    result = train(settings, tmp_path / "run")
    assert load(result).config.classes.names == ("floor", "robot")
