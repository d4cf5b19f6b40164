"""How a ROS program ends when SIGINT or SIGTERM comes, from its first line on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rclpy.executors import Executor

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 1.5
"""Seconds after a signal within which a program ends by itself, or is ended."""


class ShutdownRequest:
    """SIGINT or SIGTERM, for which a thread waits.

    No other thread is interrupted, wherever it is: an exception out of the blue could hit the
    middleware half way through a call, or a destructor, which swallows it. ROS' own handlers must
    be off; they shut the context down under whoever uses it.

    Make it before the long imports: until `defer` a signal ends the process at once, with status 0.
    """

    def __init__(self) -> None:
        self._requested = Event()
        self._deferred = False
        self._wake: Callable[[], object] = lambda: None
        self._give_up: Callable[[], object] = lambda: None
        # Threads that are begun from now on do the same.
        signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
        Thread(target=self._watch, name="end_request", daemon=True).start()

    @property
    def came(self) -> bool:
        """Whether the program has been asked to end."""
        return self._requested.is_set()

    def defer(self) -> None:
        """From now on let the program end by itself, within `PATIENCE`."""
        self._deferred = True

    def on_impatience(self, give_up: Callable[[], object]) -> None:
        """What to do in another thread, soon, before a program that does not end is ended."""
        self._give_up = give_up

    def spin(self, executor: Executor, until: Callable[[], bool] = lambda: False) -> None:
        """Execute callbacks until the program is asked to end, or until a condition holds."""
        self._wake = executor.wake
        while not self.came and not until():
            executor.spin_once()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which takes a moment each time, or for the program's end."""
        while not self.came and not condition():
            pass

    def _watch(self) -> None:
        # A second signal is left where it is: a terminal and a launch file both send SIGINT.
        signal.sigwait(END_SIGNALS)
        if not self._deferred:
            # Nothing is there to be torn down yet.
            os._exit(0)
        self._requested.set()
        self._wake()
        Event().wait(PATIENCE)
        # That may never come back.
        Thread(target=self._give_up, daemon=True).start()
        Event().wait(PATIENCE / 10)
        os._exit(0)


def end_process(status: int) -> NoReturn:
    """Past the interpreter, which takes a second to take down its modules."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
