"""The process of a managed node, or of several: start, run, end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from lmanet_ros.shutdown import ShutdownRequest, end_process

if TYPE_CHECKING:
    from lmanet_ros.node.managed_node import ManagedNode

STOP_TIMEOUT = 1.0
"""Seconds that a frame in work may take when the process is to end."""


def run_nodes(
    program: str,
    description: str,
    load: Callable[[], tuple[type, Sequence[Callable[[], ManagedNode]]]],
    args: list[str] | None = None,
) -> int:
    """Run managed nodes until SIGINT or SIGTERM.

    Args:
        program: what it is called.
        description: what it does, a sentence.
        load: imports, which takes seconds, and returns the dataclass of the parameters and what
            makes the nodes.
        args: command line without the program's name; None: that of the process.

    Returns:
        Exit status 1 if a node cannot start, 2 for arguments that are not for ROS, 0 after --help.
        After a signal the process ends here, with 0.
    """
    end = ShutdownRequest()
    # Imported here because it takes seconds, in which Ctrl-C is to work already, and because it
    # begins threads, which are not to get the signals.
    from lmanet_core.program.run_program import program_needs

    with program_needs(program, "ros"):
        import rclpy
        from rclpy.exceptions import ParameterException
        from rclpy.signals import SignalHandlerOptions

        from lmanet_ros.network_choice import CHOICES, choosing_arguments
        from lmanet_ros.node.managed_node import StartError
        from lmanet_ros.node.parameter_fields import ParameterError
        from lmanet_ros.node.resilience import ResilientExecutor
        from lmanet_ros.node_arguments import answer_arguments

        parameters, makers = load()
    given = sys.argv[1:] if args is None else args
    status = answer_arguments(program, description, parameters, given)
    if status is not None:
        return status
    end.defer()
    if CHOICES[0] in {one.name for one in fields(parameters)}:
        given = [*given, *choosing_arguments(given)]
    try:
        rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        return _refuse_start(program, error)
    nodes: list[ManagedNode] = []
    try:
        nodes += [make() for make in makers]
    except (ParameterError, ParameterException) as error:
        return _refuse_start(program, error)
    except RuntimeError as error:
        # Of a slash at the end, ROS says that something begins with a number.
        hint = "; a namespace must not end in '/'" if "namespace" in str(error) else ""
        return _refuse_start(program, f"{error}{hint}")

    def destroy() -> None:
        for node in nodes:
            node.destroy_node()

    # Other nodes are told that this one leaves even if its network still loads.
    end.on_impatience(destroy)
    try:
        for node in nodes:
            node.start()
    except StartError as error:
        if not end.came:
            return _refuse_start(program, error)
    executor = ResilientExecutor()
    for node in nodes:
        executor.add_node(node)
    end.spin(executor)
    # The network cannot be interrupted, and what it holds must not be torn down beneath it.
    stopped = [node.stop(STOP_TIMEOUT) for node in nodes]
    if all(stopped):
        destroy()
        rclpy.try_shutdown()
    end_process(0)


def _refuse_start(program: str, error: Exception | str) -> int:
    print(f"{program} cannot start: {error}", file=sys.stderr)
    return 1
