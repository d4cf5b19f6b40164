"""Latencies as counts, so that those of several recordings can be added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

PERCENTILES = {"p50": 50, "p95": 95, "p99": 99, "max": 100}


def count_latencies(seconds: Iterable[float]) -> dict[str, int]:
    """How often each latency occurs, by tenths of milliseconds as JSON has its keys: '12.3'."""
    counts = Counter(round(1e3 * latency, 1) for latency in seconds)
    return {str(latency): counts[latency] for latency in sorted(counts)}


def add_latencies(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The counts of several recordings together."""
    total: Counter[str] = Counter()
    for counts in several:
        total.update(counts)
    return {latency: total[latency] for latency in sorted(total, key=float)}


def latency_percentiles(counts: Mapping[str, int]) -> dict[str, float | None]:
    """`PERCENTILES` in milliseconds; None where nothing was counted."""
    if not counts:
        return dict.fromkeys(PERCENTILES)
    latencies = np.repeat([float(latency) for latency in counts], list(counts.values()))
    values = np.percentile(latencies, list(PERCENTILES.values()))
    return {name: round(float(v), 1) for name, v in zip(PERCENTILES, values, strict=True)}
