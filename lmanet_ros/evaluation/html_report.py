"""The report of an evaluation as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from lmanet_core import ClassTable
from lmanet_core.classes import IGNORE_LABEL
from lmanet_core.evaluation import at_size_of
from lmanet_core.visualization import blend, legend
from lmanet_ros.evaluation import plots
from lmanet_ros.evaluation.answers import AnsweredFrame
from lmanet_ros.evaluation.scoring import true_labels
from lmanet_ros.evaluation.summary import percent

PICTURE_WIDTH = 480
OPACITY = 0.6
ERROR_COLOR = (220, 30, 30)
LISTED_FRAMES = 12
"""Frames of a reason that are named one by one."""


@dataclass(frozen=True)
class PicturedFrame:
    """A frame with its pictures by title, as data URIs."""

    number: int
    stamp: int
    pictures: dict[str, str]


def picture(
    answer: AnsweredFrame, classes: ClassTable, true_classes: ClassTable | None
) -> PicturedFrame:
    """Input, prediction and, where there is truth, truth and errors of a frame.

    Args:
        answer: the frame.
        classes: of the network.
        true_classes: of the true labels; None: the same.
    """
    height, width = answer.image.shape[:2]
    size = (PICTURE_WIDTH, max(1, round(height * PICTURE_WIDTH / width)))
    image = cv2.resize(answer.image, size, interpolation=cv2.INTER_AREA)
    predicted = at_size_of(answer.predicted, image)
    pictures = {
        "input": image,
        "prediction": blend(image, classes.colorize(predicted), OPACITY),
    }
    true = true_labels(answer, classes, true_classes)
    if true is not None:
        true = at_size_of(true, image)
        wrong = (true != predicted) & (true != IGNORE_LABEL)
        grey = np.repeat(image.mean(2, keepdims=True), 3, 2).astype(np.uint8)
        pictures["truth"] = blend(image, classes.colorize(true), OPACITY)
        pictures["errors"] = np.where(wrong[..., None], np.array(ERROR_COLOR, np.uint8), grey)
    frame = answer.played.frame
    uris = {title: _jpeg_uri(pixels) for title, pixels in pictures.items()}
    return PicturedFrame(frame.number, frame.stamp, uris)


def write_html(
    path: Path, summary: dict[str, Any], worst: Iterable[PicturedFrame], classes: ClassTable
) -> None:
    """Write the report.

    Args:
        path: file to write.
        summary: of `summarize`.
        worst: frames to show.
        classes: of the network.
    """
    environment = Environment(
        loader=PackageLoader("lmanet_ros.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    rows = summary["per_frame"]
    figures = {
        "latency_over_time": plots.latency_over_time(rows),
        "latency_distribution": plots.latency_distribution(rows),
        "quality_over_time": plots.quality_over_time(rows),
    }
    if summary["scored_frames"]:
        figures["iou_of_classes"] = plots.iou_of_classes(summary["iou"], summary["miou"])
    text = environment.get_template("report.html").render(
        summary=summary,
        worst=list(worst),
        rows={row["number"]: row for row in rows},
        plots={name: _uri("image/svg+xml", svg.encode()) for name, svg in figures.items()},
        legend=_jpeg_uri(legend(classes)),
        listed_frames=LISTED_FRAMES,
    )
    path.write_text(text)


def _jpeg_uri(pixels: np.ndarray) -> str:
    data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
    return _uri("image/jpeg", data.tobytes())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
