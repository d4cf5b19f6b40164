"""The demo's figures, for machines and for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmanet_ros.demo.scoring import Score
from lmanet_ros.evaluation.summary import cloud_figures, in_space

OUTCOMES = ("published", "received", "processed", "dropped", "refused", "failed", "lost")
MATRIX_TITLES = {"node": "the node", "single_frame": "single-frame network, same frames"}


def summarize(score: Score) -> dict[str, Any]:
    """Everything as JSON can hold it; a class that does not occur has an IoU of None."""
    counts = score.frame_counts
    p50, p95 = np.percentile(score.latencies, (50, 95)) if score.latencies else (np.nan, np.nan)
    return {
        "frames": {name: counts.get(name, 0) for name in OUTCOMES},
        "answered": len(score.latencies),
        "latency_ms": {"p50": _rounded(1e3 * p50, 1), "p95": _rounded(1e3 * p95, 1)},
        "miou": {name: _rounded(matrix.miou()) for name, matrix in score.matrices.items()},
        "iou": {
            name: dict(zip(score.classes.names, map(_rounded, matrix.iou()), strict=True))
            for name, matrix in score.matrices.items()
        },
        "in_space": {
            name: in_space(figures)
            for name, tally in score.clouds.items()
            if (figures := cloud_figures(tally))
        },
    }


def format_summary(summary: dict[str, Any]) -> str:
    """The summary as lines of text."""
    network = summary.get("engine") or summary["checkpoint"]
    lines = [
        f"network   {network}, {summary['runs_on']}",
        f"frames    {', '.join(f'{n} {name}' for name, n in summary['frames'].items())}",
    ]
    latency = summary["latency_ms"]
    lines.append(f"latency   p50 {latency['p50']} ms, p95 {latency['p95']} ms (image to labels)")
    for name, miou in summary["miou"].items():
        lines.append(f"mIoU      {_percent(miou)} %  {MATRIX_TITLES[name]}")
    if summary["video"] is None and not summary["miou"]:
        lines.append("mIoU      not scored: the network has none of the street's classes")
    if len(summary["iou"]) > 0:
        lines += ["", *_class_table(summary["iou"])]
    if summary["in_space"]:
        lines += ["", *_space_table(summary["in_space"])]
    return "\n".join(lines)


def _class_table(iou: dict[str, dict[str, float | None]]) -> list[str]:
    columns = list(iou.values())
    lines = [f"{'IoU in %':14}" + "".join(f"{name:>14}" for name in iou)]
    for class_name in columns[0]:
        values = [column[class_name] for column in columns]
        if any(value is not None for value in values):
            lines.append(f"{class_name:14}" + "".join(f"{_percent(value):>14}" for value in values))
    return lines


def _space_table(figures: dict[str, dict[str, float | None]]) -> list[str]:
    columns = list(figures.values())
    lines = [f"{'in space':48}" + "".join(f"{name:>14}" for name in figures)]
    for name in columns[0]:
        values = ("-" if column[name] is None else str(column[name]) for column in columns)
        lines.append(f"{name:48}" + "".join(f"{value:>14}" for value in values))
    return lines


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _rounded(value: float, digits: int = 4) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)
