"""How many threads to compute with on the CPU."""

from __future__ import annotations

import os
from pathlib import Path

_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def default_threads() -> int:
    """One for each core that this process may use, as two on one core share its multipliers.

    `OMP_NUM_THREADS` goes before: who starts several processes divides the cores by it.
    """
    asked_for = os.environ.get("OMP_NUM_THREADS", "")
    if asked_for.isdecimal() and int(asked_for) > 0:
        return int(asked_for)
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    return len({_core(processor) for processor in os.sched_getaffinity(0)})


def _core(processor: int) -> str:
    """Name of a processor's core, equal for all processors of it."""
    try:
        return Path(_SIBLINGS.format(processor)).read_text()
    except OSError:
        return str(processor)
