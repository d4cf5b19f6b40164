"""The reports of evaluations, each one HTML file that needs nothing else."""

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
from lmanet_core.evaluation import at_size_of, common_classes
from lmanet_core.network.classes import IGNORE_LABEL
from lmanet_core.output.files import write_text
from lmanet_core.output.pictures import blend, legend
from lmanet_ros.evaluation import plots
from lmanet_ros.evaluation.answers import AnsweredFrame
from lmanet_ros.evaluation.report_comparison import Comparison, compare, facts_of_both
from lmanet_ros.evaluation.summary import in_space, percent, scored_topics

PICTURE_WIDTH = 480
MAX_PICTURE_HEIGHT = 960
"""Most pixels of a column of pictures, which would otherwise be larger than a JPEG can be."""
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
        classes: classes of the network.
        true_classes: classes of the true labels; None: the same.
    """
    height, width = answer.image.shape[:2]
    scale = min(PICTURE_WIDTH / width, MAX_PICTURE_HEIGHT / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = cv2.resize(answer.image, size, interpolation=cv2.INTER_AREA)
    common = common_classes(classes, true_classes)
    classes = common.classes
    predicted = common.predicted[at_size_of(answer.predicted, image)]
    pictures = {
        "input": image,
        "prediction": blend(image, classes.colorize(predicted), OPACITY),
    }
    if answer.true is not None:
        true = common.true[at_size_of(answer.true, image)]
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
    """Write the report of a recording.

    Args:
        path: file to write.
        summary: of `summarize`.
        worst: frames to show.
        classes: classes of the network.
    """
    rows = summary["per_frame"]
    figures = {
        "latency_over_time": plots.latency_over_time(rows),
        "latency_distribution": plots.latency_distribution(rows),
        "quality_over_time": plots.quality_over_time(rows),
    }
    _write(
        path,
        "report.html",
        summary=summary,
        baseline=_beside_baseline(summary),
        worst=list(worst),
        rows={row["number"]: row for row in rows},
        plots=_uris(figures | _quality_plots(summary)),
        legend=_jpeg_uri(legend(classes)),
        listed_frames=LISTED_FRAMES,
    )


def write_fleet_html(path: Path, fleet: dict[str, Any]) -> None:
    """Write the report of several recordings, of a summary by `lmanet_ros.evaluation.fleet`."""
    _write(
        path,
        "fleet.html",
        fleet=fleet,
        baseline=_beside_baseline(fleet["total"]),
        plots=_uris(_quality_plots(fleet["total"])),
    )


def write_comparison_html(
    path: Path, first: dict[str, Any], second: dict[str, Any], comparison: Comparison
) -> None:
    """Write the report of a comparison of two summaries."""
    hashes = [summary.get("labels_sha256") for summary in (first, second)]
    _write(
        path,
        "comparison.html",
        comparison=comparison,
        facts_of_both=facts_of_both(first, second),
        same_labels=hashes[0] is not None and hashes[0] == hashes[1],
    )


def _write(path: Path, template: str, **values: Any) -> None:
    environment = Environment(
        loader=PackageLoader("lmanet_ros.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "scored_topics": scored_topics,
        "in_space": in_space,
    }
    write_text(path, environment.get_template(template).render(**values))


def _beside_baseline(summary: dict[str, Any]) -> Comparison | None:
    baseline = summary.get("baseline")
    return compare(baseline, summary, ("single frame", "with memory")) if baseline else None


def _quality_plots(summary: dict[str, Any]) -> dict[str, str]:
    if not summary["scored_frames"]:
        return {}
    return {
        "iou_of_classes": plots.iou_of_classes(summary["iou"], summary["miou"]),
        "confusion": plots.confusion(summary["tally"]),
    }


def _uris(figures: dict[str, str]) -> dict[str, str]:
    return {name: _uri("image/svg+xml", svg.encode()) for name, svg in figures.items()}


def _jpeg_uri(pixels: np.ndarray) -> str:
    data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
    return _uri("image/jpeg", data.tobytes())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
