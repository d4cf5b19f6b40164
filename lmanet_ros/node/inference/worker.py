"""The thread that runs the network, one for all cameras."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from time import perf_counter

from lmanet_ros.node.inference.mailbox import Mailbox
from lmanet_ros.node.inference.stream import Frame, Stream, process


class FrameWorker:
    """Takes frames out of a mailbox and has them processed.

    So the thread that receives messages never waits for the network, a network slower than the
    cameras always works on the newest frame, a faster one answers all of a burst, and cameras are
    served in rotation.

    Args:
        max_batch: cameras whose frames go through the network at once, at most.
    """

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._mailbox: Mailbox[tuple[Stream, Frame]] = Mailbox()
        self._prepared: Future[None] = Future()
        self._thread: Thread | None = None

    def start(self, prepare: Callable[[], None]) -> None:
        """Start the thread and wait until it has done `prepare`; what that raises is raised."""
        # A daemon: the end of the process need not wait for a network that takes long.
        self._thread = Thread(target=self._run, args=(prepare,), name="frame_worker", daemon=True)
        self._thread.start()
        self._prepared.result()

    def submit(self, stream: Stream, frame: Frame) -> None:
        """Have a frame processed when its stream is served.

        Of that stream's frames which are still waiting, the oldest are dropped where there is no
        room for all.
        """
        for late, _ in self._mailbox.put((stream, frame), stream, stream.room()):
            late.drop()

    def discard(self) -> None:
        """Drop all frames that are waiting."""
        for stream, _ in self._mailbox.clear():
            stream.drop()

    def stop(self, timeout: float) -> bool:
        """Finish the current frame; False if that is not done after `timeout` seconds."""
        self._mailbox.close()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self, prepare: Callable[[], None]) -> None:
        try:
            prepare()
        except Exception as error:
            self._prepared.set_exception(error)
            return
        self._prepared.set_result(None)
        idle_since = perf_counter()
        while frames := self._mailbox.take(self._max_batch):
            process(frames, idle_since)
            idle_since = perf_counter()
