"""What is wrong with what comes in: one line in the log when it begins, and in the diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.impl.rcutils_logger import RcutilsLogger

LOG_PERIOD = 30.0
"""Seconds between two lines about a problem that lasts, or that comes and goes."""


@dataclass
class _Problem:
    since: float
    text: str
    patience: float = 0.0

    def is_ripe(self, now: float) -> bool:
        """Whether it has lasted longer than it may untold."""
        return now >= self.since + self.patience


class Problems:
    """Problems that there are now, each of a kind.

    Args:
        logger: that tells them.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._problems: dict[str, _Problem] = {}
        # Also of those that have ended: what comes and goes is not told each time.
        self._told: dict[str, float] = {}

    def report(self, kind: str, text: str, now: float, patience: float = 0.0) -> None:
        """Note that there is a problem, or that it is still there.

        Args:
            kind: name of the problem, without the numbers that are in its text.
            text: one line, with the remedy.
            now: seconds of any clock.
            patience: seconds that it may last untold.
        """
        problem = self._problems.setdefault(kind, _Problem(now, text))
        problem.text, problem.patience = text, patience
        self.tell(now)

    def tell(self, now: float) -> None:
        """Log what is due; do this now and then."""
        for kind, problem in self._problems.items():
            if problem.is_ripe(now) and now >= self._told.get(kind, -LOG_PERIOD) + LOG_PERIOD:
                self._told[kind] = now
                self._logger.error(problem.text)

    def end(self, *kinds: str) -> None:
        """Note that these are none any more; all, if none is named."""
        for kind in kinds or tuple(self._problems):
            self._problems.pop(kind, None)

    def texts(self, now: float) -> list[str]:
        """Problems that have lasted longer than they may stay unreported."""
        return [problem.text for problem in self._problems.values() if problem.is_ripe(now)]
