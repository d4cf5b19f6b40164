"""The process of the segmentation node: start, run, end."""

from __future__ import annotations

import sys

from lmanet_core.extras import program_needs
from lmanet_ros.ending import EndRequest, end_process

DESCRIPTION = "Labels every pixel of a camera's images; see docs/node.md for topics."
STOP_TIMEOUT = 1.0
"""Seconds that a frame in work may take when the process is to end."""


def main(args: list[str] | None = None) -> int:
    """Run the segmentation node until SIGINT or SIGTERM.

    Args:
        args: command line without the program's name; None: that of the process.

    Returns:
        Exit status 1 if the node cannot start, 2 for arguments that are not for ROS, 0 after
        --help. After a signal the process ends here, with 0.
    """
    end = EndRequest()
    # Imported here because it takes seconds, in which Ctrl-C is to work already.
    with program_needs("segmentation_node", "ros"):
        import rclpy
        from rclpy.exceptions import ParameterException
        from rclpy.signals import SignalHandlerOptions

        from lmanet_ros.network_choice import choosing_arguments
        from lmanet_ros.node.managed_node import SegmentationNode, StartError
        from lmanet_ros.node.parameters import NodeParameters, ParameterError
        from lmanet_ros.node.resilience import ResilientExecutor
        from lmanet_ros.node_arguments import answer_arguments

    given = sys.argv[1:] if args is None else args
    status = answer_arguments("segmentation_node", DESCRIPTION, NodeParameters, given)
    if status is not None:
        return status
    end.defer()
    given = [*given, *choosing_arguments(given)]
    try:
        rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
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
    # Other nodes are told that this one leaves even if its network still loads.
    end.on_impatience(node.destroy_node)
    try:
        node.start()
    except StartError as error:
        if not end.came:
            return _refuse_start(error)
    executor = ResilientExecutor()
    executor.add_node(node)
    end.spin(executor)
    # The network cannot be interrupted, and what it holds must not be torn down beneath it.
    if node.stop(STOP_TIMEOUT):
        node.destroy_node()
        rclpy.try_shutdown()
    end_process(0)


def _refuse_start(error: Exception | str) -> int:
    print(f"segmentation_node cannot start: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
