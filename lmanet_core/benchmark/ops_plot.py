"""The picture of the operator benchmark; needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import pyplot
from matplotlib.axes import Axes

from lmanet_core.output.files import replacing

_COLORS = {"fused": "#d1495b", "tiled": "#30638e"}
_OTHERS = "#9aa5b1"


def plot(figures: dict[str, Any], path: Path) -> None:
    """Draw the implementations and, where they were measured, the sweeps."""
    sweeps = figures.get("sweeps", {})
    rows = 2 if sweeps else 1
    picture, axes = pyplot.subplots(
        rows, rows, figsize=(4.8 * rows, 3.4 * rows), squeeze=False, layout="constrained"
    )
    _plot_implementations(axes[0, 0], figures["implementations"])
    for panel, (varied, points) in zip(axes.flat[1:], sweeps.items(), strict=True):
        _plot_sweep(panel, varied, points)
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
    with replacing(path) as unfinished:
        picture.savefig(unfinished, dpi=130)
    pyplot.close(picture)


def _plot_implementations(panel: Axes, measured: dict[str, dict[str, float]]) -> None:
    names = sorted(measured, key=lambda name: measured[name]["forward_ms"])
    times = [measured[name]["forward_ms"] for name in names]
    colors = [_COLORS.get(name.split()[0], _OTHERS) for name in names]
    bars = panel.barh(names, times, color=colors)
    panel.bar_label(bars, [f"{time:.0f}" for time in times], padding=3)
    panel.invert_yaxis()
    panel.set(xscale="log", title="forward pass, ms")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlim(min(times) / 2, max(times) * 3)


def _plot_sweep(panel: Axes, varied: str, points: list[dict[str, float]]) -> None:
    """Times over what is varied, and the cost to be expected, through the operating point."""
    label, law, power, operating_point = _SWEEPS[varied]
    places = [_place(varied, point) for point in points]
    for name in [name for name in points[0] if name.endswith("fp32")]:
        times = [point[name] for point in points]
        color = _COLORS[name.split()[0]]
        known = times[places.index(operating_point)]
        expected = [known * (place / operating_point) ** power for place in places]
        panel.plot(places, expected, ":", color=color, linewidth=1)
        panel.plot(places, times, "o-", color=color, label=name)
    panel.plot([], [], ":", color="black", linewidth=1, label=law)
    panel.set(xscale="log", yscale="log", title=f"forward pass, ms, over {label}")
    panel.set_xticks(places, [f"{place:.0f}" for place in places])
    panel.set_xticks([], minor=True)
    panel.yaxis.set_major_formatter("{x:g}")
    fastest = min(time for point in points for name, time in point.items() if "fp32" in name)
    panel.set_ylim(bottom=fastest / 2)
    panel.legend(frameon=False)


_SWEEPS = {
    "window_size": ("window size w", "~ w²", 2, 21),
    "frames": ("frames S", "~ S", 1, 4),
    "locations": ("locations H*W", "~ H*W", 1, 64 * 128),
}
"""Label, how the cost should grow, as a power, and where the operating point is."""


def _place(varied: str, point: dict[str, float]) -> float:
    return point["height"] * point["width"] if varied == "locations" else point[varied]
