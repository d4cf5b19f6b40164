"""The demo's figures, of the node and of its network's single frames, side by side."""

from __future__ import annotations

from typing import Any

from lmanet_ros.evaluation.scoring import Score
from lmanet_ros.evaluation.summary import cloud_figures, in_space, percent, rounded

OUTCOMES = ("received", "processed", "dropped", "refused", "failed", "lost")
TITLES = {"node": "the node", "single_frame": "single-frame network, same frames"}


def summarize(evaluation: dict[str, Any], alone: Score) -> dict[str, Any]:
    """Everything as JSON can hold it; a class that does not occur has an IoU of None.

    Args:
        evaluation: evaluation of the node, as in evaluation.json.
        alone: evaluation of its network's single frames.
    """
    single = alone.evaluation
    scored = {
        "node": (evaluation["miou"], evaluation["iou"], evaluation["cloud"]),
        "single_frame": (single.miou, single.iou, cloud_figures(alone.cloud)),
    }
    if not evaluation["scored_frames"]:
        scored = {}
    return {
        "frames": {
            "published": evaluation["frames"]["in_bag"],
            **{name: evaluation["node"][name] for name in OUTCOMES},
        },
        "answered": evaluation["frames"]["answered"],
        "latency_ms": {name: evaluation["latency_ms"][name] for name in ("p50", "p95")},
        "miou": {name: rounded(miou) for name, (miou, _, _) in scored.items()},
        "iou": {
            name: {class_name: rounded(share) for class_name, share in iou.items()}
            for name, (_, iou, _) in scored.items()
        },
        "in_space": {name: in_space(cloud) for name, (_, _, cloud) in scored.items() if cloud},
    }


def format_summary(summary: dict[str, Any]) -> str:
    """The summary as lines of text."""
    network = summary.get("engine") or summary["checkpoint"]
    latency = summary["latency_ms"]
    lines = [
        f"network   {network}, {summary['runs_on']}",
        f"frames    {', '.join(f'{n} {name}' for name, n in summary['frames'].items())}",
        f"latency   p50 {latency['p50']} ms, p95 {latency['p95']} ms (image to labels)",
    ]
    lines += [
        f"mIoU      {percent(miou)} %  {TITLES[name]}" for name, miou in summary["miou"].items()
    ]
    if summary["video"] is None and not summary["miou"]:
        lines.append("mIoU      not scored: the network has none of the street's classes")
    iou = {
        name: {class_name: percent(share) for class_name, share in shares.items()}
        for name, shares in summary["iou"].items()
    }
    lines += _table("IoU in %", 14, iou) + _table("in space", 48, summary["in_space"])
    return "\n".join(lines)


def _table(title: str, width: int, columns: dict[str, dict[str, Any]]) -> list[str]:
    """Rows that have a value in any column."""
    if not columns:
        return []
    lines = ["", f"{title:{width}}" + "".join(f"{name:>14}" for name in columns)]
    for row in next(iter(columns.values())):
        values = [
            "-" if (value := column[row]) is None else str(value) for column in columns.values()
        ]
        if set(values) != {"-"}:
            lines.append(f"{row:{width}}" + "".join(f"{value:>14}" for value in values))
    return lines
