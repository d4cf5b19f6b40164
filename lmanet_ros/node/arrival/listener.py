"""Listening while it is wanted: from start to stop and, if lazy, only while it is needed."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Listener(ABC):
    """What listens to topics from `start` to `stop`."""

    def __init__(self) -> None:
        self._started = False

    @property
    @abstractmethod
    def is_listening(self) -> bool:
        """Whether messages are received; if lazy, they are not without need."""

    def start(self) -> None:
        """Listen, at once or, if lazy, when it is needed.

        Raises:
            ParameterError: an override of the quality of service has no sense.
        """
        self._started = True
        try:
            self.watch()
        except BaseException:
            self.stop()
            raise

    def watch(self) -> None:
        """See who publishes and who listens, and say what is missing; do this now and then."""
        if not self._started:
            return
        needed = self._is_needed()
        if needed and not self.is_listening:
            self._listen()
        elif not needed and self.is_listening:
            self._let_go()
        if self.is_listening:
            self._look()

    def stop(self) -> None:
        """Listen no more; nothing is published of what was received."""
        self._started = False
        self._let_go()

    @abstractmethod
    def _is_needed(self) -> bool: ...

    @abstractmethod
    def _listen(self) -> None: ...

    @abstractmethod
    def _let_go(self) -> None: ...

    @abstractmethod
    def _look(self) -> None: ...
