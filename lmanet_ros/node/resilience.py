"""Nothing that another node asks or sends ends this one.

rclpy lets an exception in any callback end the process. Some are its own: its services raise at a
transition that the state does not allow, or at a parameter of a type that there is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.service import Service

from lmanet_ros.ros_releases import Execute, HookedExecutor, Take

LOG_PERIOD = 5.0
"""Seconds between two log lines about what was not expected."""

Answer = Callable[[Any, Any], Any]
"""A service's callback: takes a request and an empty response, returns the response."""


def answer_all_requests(node: Node) -> None:
    """Let the services that a node has answer that they failed, instead of raising.

    What a response says by itself is failure: `success` is false, lists are empty.
    """
    for service in node.services:
        callback = _answering(node, service)
        if service.srv_type is SetParameters:
            callback = _one_by_one(callback)
        service.callback = callback


class ResilientExecutor(HookedExecutor):
    """Executes callbacks of any kind, and goes on after one that raises."""

    def hook(self, node: Node, take: Take) -> Take:
        # What is taken from the middleware comes this way as well: an error further out would
        # leave the callback group occupied, so the node deaf.
        def take_all_the_same(entity: Any) -> Execute | None:
            try:
                execute = take(entity)
            except Exception as error:
                _report(node, error)
                return None

            if execute is None:
                return None

            async def execute_all_the_same() -> None:
                try:
                    await execute()
                except Exception as error:
                    _report(node, error)

            return execute_all_the_same

        return take_all_the_same


def _answering(node: Node, service: Service) -> Answer:
    callback, name = service.callback, service.service_name

    def answer(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except Exception as error:
            reason = _describe(error)
            node.get_logger().warning(
                f"a request of {name} failed: {reason}", throttle_duration_sec=LOG_PERIOD
            )
            return _failed(service.srv_type, reason)

    return answer


def _failed(service_type: Any, reason: str) -> Any:
    """A response that says so, of a request for one thing."""
    result = SetParametersResult(successful=False, reason=reason)
    if service_type is SetParameters:
        return SetParameters.Response(results=[result])
    if service_type is SetParametersAtomically:
        return SetParametersAtomically.Response(result=result)
    return service_type.Response()


def _one_by_one(set_parameters: Answer) -> Answer:
    """Set parameters one by one, as rclpy does, but one that fails leaves the others their
    results."""

    def answer(request: Any, response: Any) -> Any:
        for parameter in request.parameters:
            alone = SetParameters.Request(parameters=[parameter])
            response.results += set_parameters(alone, SetParameters.Response()).results
        return response

    return answer


def _report(node: Node, error: Exception) -> None:
    # Whoever ends the process shuts ROS down, which callbacks may come across.
    if node.context.ok():
        node.get_logger().error(
            f"a callback failed: {_describe(error)}", throttle_duration_sec=LOG_PERIOD
        )


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
