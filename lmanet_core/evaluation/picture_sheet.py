"""A picture sheet of an evaluation: image, truth, labels and errors side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lmanet_core.evaluation.dataset_evaluation import SegmentedFrame
from lmanet_core.network.classes import IGNORE_LABEL, ClassTable
from lmanet_core.output.files import write_picture
from lmanet_core.output.pictures import blend, contact_sheet, legend

ROWS = 5
PANEL_WIDTH = 480
WRONG = (255, 0, 0)


class PictureSheet:
    """Keeps some of the frames that have labels, from all parts of an evaluation.

    Args:
        frames: number of such frames that will be seen, at least 1.
        classes: classes of the labels.
    """

    def __init__(self, frames: int, classes: ClassTable) -> None:
        rows = min(ROWS, frames)
        # From the middles of equal parts: the very first frame has no memory yet.
        self._chosen = {int((row + 0.5) * frames / rows) for row in range(rows)}
        self._classes = classes
        self._seen = 0
        self._rows: list[dict[str, np.ndarray]] = []

    def add(self, frame: SegmentedFrame) -> None:
        """Look at the next frame; as `evaluate` calls it."""
        if frame.true is None:
            return
        if self._seen in self._chosen:
            self._rows.append(_panels(frame, frame.true, self._classes))
        self._seen += 1

    def save(self, path: Path) -> None:
        """Write the sheet with a legend of the classes to an image file."""
        sheet = contact_sheet([list(row.values()) for row in self._rows], list(self._rows[0]))
        sheet = np.vstack([sheet, legend(self._classes, sheet.shape[1])])
        write_picture(path, sheet)


def _panels(frame: SegmentedFrame, true: np.ndarray, classes: ClassTable) -> dict[str, np.ndarray]:
    wrong = (frame.predicted != true) & (true != IGNORE_LABEL)
    errors = blend(frame.image, np.full_like(frame.image, 255), 0.6)
    errors[wrong] = WRONG
    panels = {
        "image": frame.image,
        "truth": classes.colorize(true),
        "labels": classes.colorize(frame.predicted),
        "wrong": errors,
    }
    height, width = true.shape
    size = (PANEL_WIDTH, round(height * PANEL_WIDTH / width))
    return {
        title: cv2.resize(panel, size, interpolation=cv2.INTER_AREA)
        for title, panel in panels.items()
    }
