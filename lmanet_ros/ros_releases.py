"""What differs between the releases of ROS 2, from Humble on, so that nothing else need know it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

try:
    from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks

    IS_HUMBLE = False
except ImportError:
    from rclpy.qos_event import QoSMessageLostInfo, SubscriptionEventCallbacks

    IS_HUMBLE = True

Execute = Callable[[], Awaitable[None]]
"""Calls an entity's callback with what was taken."""
Take = Callable[[Any], Execute | None]
"""Takes what has come to an entity (a subscription, a timer) from the middleware, if anything."""
ParameterCheck = Callable[[list[Parameter]], SetParametersResult]


def stay_on_this_machine() -> None:
    """Set the environment so that ROS, here and in processes started from here, uses loopback only.

    Humble reads another variable than later releases, which warn of it.
    """
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    if IS_HUMBLE:
        os.environ["ROS_LOCALHOST_ONLY"] = "1"


def watch_parameters(node: Node, check: ParameterCheck, apply: Callable[[], None]) -> None:
    """Have changes of a node's parameters checked before they are made and applied afterwards.

    They are applied before whoever asked for the change has the answer. Humble's rclpy has no
    callback for that; there the node's own methods do it, which parameter services call, too.

    Args:
        node: its parameters are declared.
        check: says whether the changes may be made.
        apply: called when they are made.
    """
    node.add_on_set_parameters_callback(check)
    if hasattr(node, "add_post_set_parameters_callback"):
        node.add_post_set_parameters_callback(lambda changes: apply())
        return

    def applied(change: Callable[[list[Parameter]], Any]) -> Callable[[list[Parameter]], Any]:
        def change_and_apply(parameter_list: list[Parameter]) -> Any:
            try:
                return change(parameter_list)
            finally:
                # Those before one that nobody has declared are made, too.
                apply()

        return change_and_apply

    for name in ("set_parameters", "set_parameters_atomically"):
        setattr(node, name, applied(getattr(node, name)))


def subscription_events(
    message_lost: Callable[[QoSMessageLostInfo], None],
    publishers_changed: Callable[[], object],
) -> SubscriptionEventCallbacks:
    """Callbacks for what happens to a subscription.

    Humble does not tell of publishers that fit; whoever wants to know looks from time to time.

    Args:
        message_lost: the middleware has lost messages.
        publishers_changed: a publisher came or went, or one does not fit.
    """
    callbacks: dict[str, Any] = {
        "message_lost": message_lost,
        "incompatible_qos": lambda event: publishers_changed(),
    }
    if not IS_HUMBLE:
        callbacks["matched"] = lambda event: publishers_changed()
    return SubscriptionEventCallbacks(**callbacks)


def with_message_info(callback: Callable[[Any, dict[str, int]], None]) -> Callable[..., None]:
    """A subscription's callback that gets a message and when it was received, if ROS says so.

    Humble does not say it: the second argument is empty there.
    """
    if IS_HUMBLE:
        return lambda message: callback(message, {})
    return lambda message, info: callback(message, info)


class HookedExecutor(SingleThreadedExecutor):
    """An executor that has `hook` called for each entity that is ready.

    rclpy has no public place for that, and Humble's private one is another.
    """

    def hook(self, node: Node, take: Take) -> Take:
        """What to do in place of taking and executing, for an entity of a node."""
        return take

    def _make_handler(
        self, entity: Any, node: Node, take_from_wait_list: Any, *execute_on_humble: Any
    ) -> Any:
        make: Any = super()._make_handler
        if not execute_on_humble:
            return make(entity, node, self.hook(node, take_from_wait_list))
        (execute,) = execute_on_humble
        take = self.hook(node, lambda entity: partial(execute, entity, take_from_wait_list(entity)))

        async def execute_hooked(entity: Any, work: Execute | None) -> None:
            if work is not None:
                await work()

        return make(entity, node, take, execute_hooked)
