"""Two evaluations side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmanet_core.output.percent import in_percent
from lmanet_ros.evaluation.summary import in_space

SHARES = {
    "mIoU, %": "miou",
    "temporal consistency, %": "temporal_consistency",
    "VC8, %": "vc8",
    "VC16, %": "vc16",
}


@dataclass(frozen=True)
class Row:
    """A figure of both."""

    name: str
    values: tuple[float | None, float | None]
    more_is_better: bool = True

    @property
    def difference(self) -> float | None:
        """Difference of the second to the first, as it is printed."""
        first, second = self.values
        # Plus zero: nothing is printed as minus zero.
        return None if first is None or second is None else round(second - first, 1) + 0.0

    @property
    def verdict(self) -> str:
        """'better', 'worse' or, where that cannot be seen in what is printed, nothing."""
        if not self.difference:
            return ""
        return "better" if (self.difference > 0) == self.more_is_better else "worse"


@dataclass(frozen=True)
class Comparison:
    """Figures and IoU of each class; shares in percent."""

    names: tuple[str, str]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def compare(
    first: Mapping[str, Any], second: Mapping[str, Any], names: tuple[str, str]
) -> Comparison:
    """Compare two summaries, of recordings or of several.

    Args:
        first, second: as in evaluation.json.
        names: names of the two evaluations, in this order.
    """
    one, other = (summary.get("total", summary) for summary in (first, second))
    rows = [
        Row(name, (in_percent(one[key]), in_percent(other[key]))) for name, key in SHARES.items()
    ]
    rows.append(Row("answers per second", (one["fps"], other["fps"])))
    medians = (one["latency_ms"]["p50"], other["latency_ms"]["p50"])
    rows.append(Row("latency p50, ms", medians, more_is_better=False))
    rows += _rows_in_space(one.get("cloud"), other.get("cloud"))
    classes = [*one["iou"], *(name for name in other["iou"] if name not in one["iou"])]
    ious = {name: (one["iou"].get(name), other["iou"].get(name)) for name in classes}
    rows += [
        Row(f"IoU of {name}, %", (in_percent(before), in_percent(after)))
        for name, (before, after) in ious.items()
        if before is not None or after is not None
    ]
    return Comparison(names, tuple(rows), tuple(_notes(one, other)))


def _rows_in_space(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> list[Row]:
    if not one or not other:
        return []
    before, after = in_space(dict(one)), in_space(dict(other))
    return [
        Row(name, (before[name], after[name]), more_is_better="own class" in name)
        for name in before
    ]


def facts_of_both(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of what both were made with, and whether it differs."""
    runs = [{"recording": _recordings(summary), **summary["run"]} for summary in (first, second)]
    return [
        {"name": name, "of_both": values, "differs": values[0] != values[1]}
        for name in dict.fromkeys([*runs[0], *runs[1]])
        for values in [[run.get(name, "-") for run in runs]]
    ]


def format_comparison(comparison: Comparison) -> str:
    """The comparison as lines of text."""
    width = max(len(row.name) for row in comparison.rows)
    return "\n".join(
        f"{row.name:{width}} {_text(row.values[0])} {_text(row.values[1])} "
        f"{_text(row.difference, '+.1f')}"
        for row in comparison.rows
    )


def short_names(first: Path, second: Path) -> tuple[str, str]:
    """What tells two files apart: their names or, where those are equal, the whole paths."""
    names = [
        path.parent.name if path.stem == "evaluation" and path.parent.name else path.stem
        for path in (first, second)
    ]
    return (names[0], names[1]) if names[0] != names[1] else (str(first), str(second))


def _notes(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    if one["scored_frames"] != other["scored_frames"]:
        return [
            f"{one['scored_frames']} and {other['scored_frames']} frames were scored: "
            "the figures are not of the same frames."
        ]
    return []


def _recordings(summary: Mapping[str, Any]) -> str:
    if "recordings" in summary:
        return f"{len(summary['recordings'])} recordings"
    return f"{summary['bag']}, {summary['image_topic']}, {summary['label_topic'] or 'no labels'}"


def _text(value: float | None, form: str = ".1f") -> str:
    return f"{'-' if value is None else format(value, form):>8}"
