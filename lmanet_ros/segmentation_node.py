"""The process of the segmentation node: start, run, end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOP_TIMEOUT = 1.0
"""Seconds that a frame in work may take when the process is to end."""


def main(args: list[str] | None = None) -> int:
    """Run the segmentation node until SIGINT or SIGTERM.

    Args:
        args: command line without the program's name; None: that of the process.

    Returns:
        Exit status 1 if the node cannot start. After a signal the process ends here, with 0.
    """
    # Nothing is there to be torn down yet, and an import may swallow any exception.
    _on_end_signals(lambda number, frame: os._exit(0))
    try:
        return _run(args)
    except _EndRequested:
        return 0


class _EndRequested(BaseException):
    """SIGINT or SIGTERM came.

    Not KeyboardInterrupt: when one passes through `exec` of a string, as in the making of a
    dataclass, CPython ends the process by SIGINT even if it is caught further up.
    """


def _run(args: list[str] | None) -> int:
    # Imported here because it takes seconds, in which Ctrl-C is to work already.
    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.executors import ExternalShutdownException

    from lmanet_ros.node.managed_node import SegmentationNode, StartError
    from lmanet_ros.node.parameters import ParameterError

    _on_end_signals(_interrupt_once)
    try:
        rclpy.init(args=args)
    except RuntimeError as error:
        return _refuse_start(error)
    try:
        node = SegmentationNode()
    except (ParameterError, ParameterException) as error:
        return _refuse_start(error)
    except RuntimeError as error:
        # Of a slash at the end, ROS says that something begins with a number.
        hint = "; a namespace must not end in '/'" if "namespace" in str(error) else ""
        return _refuse_start(f"{error}{hint}")
    with suppress(_EndRequested, ExternalShutdownException):
        try:
            node.start()
        except StartError as error:
            return _refuse_start(error)
        rclpy.spin(node)
    with suppress(_EndRequested):
        # rclpy may have ended before Python has noticed the signal.
        _ignore_end_signals()
    # The network cannot be interrupted, and what it holds must not be torn down beneath it.
    if node.stop(STOP_TIMEOUT):
        node.destroy_node()
        rclpy.try_shutdown()
    # Past the interpreter, which takes a second to take down its modules.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """A terminal and a launch file both send SIGINT: the second must not disturb the end."""
    _ignore_end_signals()
    raise _EndRequested


def _ignore_end_signals() -> None:
    # Not SIG_IGN: Python complains about a signal that is pending while that is set.
    _on_end_signals(lambda number, frame: None)


def _on_end_signals(handler: Callable[[int, FrameType | None], object]) -> None:
    for number in END_SIGNALS:
        signal.signal(number, handler)


def _refuse_start(error: Exception | str) -> int:
    print(f"segmentation_node cannot start: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
