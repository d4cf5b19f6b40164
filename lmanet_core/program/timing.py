"""Timing of alternatives in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def time_in_turns(
    alternatives: Mapping[str, Callable[[], object]],
    repeats: int,
    warm_up: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median milliseconds of each alternative.

    They run in turns, A B A B ..., so that a machine whose speed drifts is unfair to none.

    Args:
        clock: gives seconds; `time.process_time` counts those of the processor alone, so that what
            else runs on the machine matters little.
    """
    for run in alternatives.values():
        for _ in range(warm_up):
            run()
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(repeats):
        for name, run in alternatives.items():
            start = clock()
            run()
            times[name].append(1e3 * (clock() - start))
    return {name: statistics.median(samples) for name, samples in times.items()}
