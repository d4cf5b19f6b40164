"""Signals that stop a training: the step is made, the run is saved, and the exit status tells."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPED_STATUS = 128
"""Exit status of a program that a signal has ended, less the signal's number."""


class Stopped(BaseException):
    """A signal has ended the run; the message says what is saved, and where.

    Attributes:
        signal: its number.
    """

    def __init__(self, number: int, message: str) -> None:
        name = signal.Signals(number).name
        super().__init__(f"{name}: {message}. To go on, run the same command again")
        self.signal = number


@contextmanager
def exit_when_stopped(program: str) -> Iterator[None]:
    """End the process where a signal has stopped the work in this block, and tell what is saved."""
    try:
        yield
    except Stopped as stop:
        print(f"{program}: {stop}", file=sys.stderr)
        sys.exit(STOPPED_STATUS + stop.signal)


class StopSignals:
    """Takes SIGINT and SIGTERM while it is entered, in the main thread.

    In training the first one waits for the end of the step, when the run can be saved. A second
    one, and one outside of training, raises `Stopped`.

    Attributes:
        received: number of the signal that waits; None: there is none.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._training = False
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in SIGNALS}
            self._listen()
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def begin_steps(self) -> None:
        """From now on a signal waits for the end of a step."""
        self._training = True
        if self._before:
            # Lightning has put its own in their place, which end the run without saving it.
            self._listen()

    def end_steps(self) -> None:
        """From now on a signal ends the run at once."""
        self._training = False

    def check(self, saved: str) -> None:
        """Raise `Stopped` if a signal waits; `saved` says what there is to go on from."""
        if self.received is not None:
            raise Stopped(self.received, saved)

    def _listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A process that prepares samples; it ends when this one tells it to.
            return
        if not self._training or self.received is not None:
            self._training = False
            raise Stopped(number, "ended between savings; what was saved before is in the folder")
        self.received = number
        name = signal.Signals(number).name
        print(f"{name}: saving after this step; once more ends at once", file=sys.stderr)
