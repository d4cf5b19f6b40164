"""The process of the segmentation node: start, run, end."""

from __future__ import annotations

import os
import signal
import sys
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
        Exit status: 0 after a signal, 1 if the node cannot start.
    """
    for number in END_SIGNALS:
        signal.signal(number, _interrupt_once)
    try:
        return _run(args)
    except KeyboardInterrupt:
        return 0


def _run(args: list[str] | None) -> int:
    # Imported here because it takes seconds, in which Ctrl-C is to work already.
    import rclpy
    from rclpy.executors import ExternalShutdownException

    from lmanet_ros.node import SegmentationNode
    from lmanet_ros.parameters import ParameterError

    try:
        rclpy.init(args=args)
    except RuntimeError as error:
        return _refuse_start(error)
    try:
        node = SegmentationNode()
    except ParameterError as error:
        return _refuse_start(error)
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)
    with suppress(KeyboardInterrupt):
        # rclpy may have ended before Python has noticed the signal.
        _ignore_end_signals()
    if not node.stop(STOP_TIMEOUT):
        # The network cannot be interrupted, and what it holds must not be torn down beneath it.
        os._exit(0)
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """A terminal and a launch file both send SIGINT: the second must not disturb the end."""
    _ignore_end_signals()
    raise KeyboardInterrupt


def _ignore_end_signals() -> None:
    for number in END_SIGNALS:
        # Not SIG_IGN: Python complains about a signal that is pending while that is set.
        signal.signal(number, lambda *_: None)


def _refuse_start(error: Exception) -> int:
    print(f"segmentation_node cannot start: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
