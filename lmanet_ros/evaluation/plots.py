"""The plots of a report, as SVG text; needs matplotlib."""

from __future__ import annotations

from io import StringIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_BLUE, _RED, _GREEN, _GREY = "#30638e", "#d1495b", "#3a7d44", "#9aa5b1"
_MISSING = {"dropped": _GREY, "refused": _RED, "unanswered": _RED}


def latency_over_time(rows: list[dict[str, Any]]) -> str:
    """Latency of each frame; frames without an answer are marked at the bottom."""
    figure, axes = _figure(height=2.8)
    answered = [row for row in rows if row["latency_ms"] is not None]
    latencies = [row["latency_ms"] for row in answered]
    numbers = [row["number"] for row in answered]
    axes.plot(numbers, latencies, ".", color=_BLUE, markersize=4)
    for rank, style in ((50, "-"), (95, "--")):
        value = float(np.percentile(latencies, rank))
        axes.axhline(
            value, color=_BLUE, linewidth=0.8, linestyle=style, label=f"p{rank} {value:.0f} ms"
        )
    for outcome, color in _MISSING.items():
        missing = [row["number"] for row in rows if row["outcome"] == outcome]
        if missing:
            label = f"{outcome} ({len(missing)})"
            axes.plot(missing, np.zeros(len(missing)), "|", color=color, markersize=9, label=label)
    axes.set(
        xlabel="frame", ylabel="latency, ms", ylim=(-0.04 * max(latencies), 1.08 * max(latencies))
    )
    _legend_above(axes)
    return _svg(figure)


def latency_distribution(rows: list[dict[str, Any]]) -> str:
    """Share of the answers that took no longer than a time."""
    figure, axes = _figure(width=4.6)
    latencies = sorted(row["latency_ms"] for row in rows if row["latency_ms"] is not None)
    shares = 100 * np.arange(1, len(latencies) + 1) / len(latencies)
    axes.step(latencies, shares, where="post", color=_BLUE)
    axes.set(xlabel="latency, ms", ylabel="answers within, %", ylim=(0, 102))
    return _svg(figure)


def quality_over_time(rows: list[dict[str, Any]]) -> str:
    """Mean IoU and consistency of each frame."""
    figure, axes = _figure(height=2.8)
    numbers = [row["number"] for row in rows]
    for key, label, color in (
        ("miou", "mIoU of the frame", _RED),
        ("consistency", "consistency with the frame before", _GREEN),
    ):
        values = [np.nan if row[key] is None else 100 * row[key] for row in rows]
        if not np.isnan(values).all():
            axes.plot(numbers, values, ".-", color=color, label=label, linewidth=1, markersize=3)
    axes.set(xlabel="frame", ylabel="%", ylim=(0, 102))
    _legend_above(axes)
    return _svg(figure)


def iou_of_classes(iou: dict[str, float | None], miou: float | None) -> str:
    """A bar for each class that occurs."""
    occurring = {name: value for name, value in iou.items() if value is not None}
    figure, axes = _figure(width=4.6, height=0.8 + 0.27 * len(occurring))
    bars = axes.barh(
        list(occurring), [100 * value for value in occurring.values()], color=_BLUE, height=0.7
    )
    axes.bar_label(bars, [f"{100 * value:.0f}" for value in occurring.values()], padding=3)
    if miou is not None:
        axes.axvline(100 * miou, color=_RED, linewidth=1)
    axes.invert_yaxis()
    axes.set(xlabel="IoU, % (line: mean)", xlim=(0, 108))
    return _svg(figure)


def confusion(tally: dict[str, Any]) -> str:
    """What the pixels of each true class were taken for, in percent of that class."""
    counts = np.array(tally["confusion"], float)
    occurring = (counts.sum(1) > 0) | (counts[:, :-1].sum(0) > 0)
    names = [name for name, occurs in zip(tally["classes"], occurring, strict=True) if occurs]
    columns = np.append(occurring, counts[:, -1].any())
    counts = counts[occurring][:, columns]
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    predicted = [*names, "no class"] if columns[-1] else names
    size = 2.6 + 0.34 * len(names)
    figure, axes = _figure(size + 1, size)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.5:
            color = "white" if share > 60 else "black"
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", color=color, size=7)
    axes.set_xticks(range(len(predicted)), predicted, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true, %")
    return _svg(figure)


def _figure(width: float = 9.4, height: float = 3.4) -> tuple[Figure, Axes]:
    # A figure of its own, not pyplot's: nothing of it depends on a display or on other figures.
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    text = StringIO()
    # Equal figures give equal files, and letters stay letters.
    with matplotlib.rc_context({"svg.hashsalt": "lmanet", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _legend_above(axes: Axes) -> None:
    axes.legend(frameon=False, ncols=5, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)
