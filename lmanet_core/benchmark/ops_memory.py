"""How much memory a call takes: the peak of a process that does nothing else."""

from __future__ import annotations

import ctypes
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from lmanet_core.benchmark.ops_cases import Case


def peak_bytes(case: Case) -> int:
    """Resident memory that a warm forward pass adds at its peak, its results included, inputs not.

    It is measured from outside of PyTorch, in a process of its own, so that what a C++ library
    allocates counts as well. Linux only.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_peak_of_a_call, case).result()


def _peak_of_a_call(case: Case) -> int:
    run = case.forward()
    # Threads, code and what is compiled or cached at the first call are not the second call's.
    run()
    # What the first call has freed may still be resident, ready to be used again unseen.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is resident
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    """A figure of this process, in bytes."""
    match = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match, f"/proc/self/status has no {field}"
    return 1024 * int(match[1])
