"""A subscription that asks its publishers for as much as all of them offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from lmanet_ros.messages.message_types import type_name
from lmanet_ros.node.parameter_fields import (
    AUTO,
    DURABILITIES,
    RELIABILITIES,
    ParameterError,
    naming_qos_overrides,
)
from lmanet_ros.ros_releases import QoSMessageLostInfo, subscription_events

QOS_DEPTH = 10
"""Depth of the queue, as publishers have it: enough for the time until this process looks."""


class AutoQosSubscription:
    """Subscribes as reliably and as durably as all publishers of a topic allow.

    Publishers come and go: when they do, what they offer is looked at again and, where that changes
    the answer, subscribed anew. While there is none the subscription is reliable and volatile: a
    reliable publisher then loses nothing, one of best effort the moment until it is noticed.

    `qos_overrides` of ROS go first.

    Args:
        node: the node that subscribes.
        message_type: message type of the topic.
        topic: its name before remapping, which is done once, here.
        callback: takes the messages.
        on_lost: takes the number of messages that the middleware says it has lost.
        reliability: 'auto', 'reliable' or 'best_effort'.
        durability: 'auto', 'volatile' or 'transient_local'.

    Raises:
        ParameterError: an override of the quality of service has no sense.
    """

    def __init__(
        self,
        node: Node,
        message_type: type,
        topic: str,
        callback: Callable[..., None],
        on_lost: Callable[[int], None] = lambda count: None,
        reliability: str = AUTO,
        durability: str = AUTO,
    ) -> None:
        self.topic = node.resolve_topic_name(topic)
        self.type_name = type_name(message_type)
        self._node = node
        self._message_type = message_type
        self._unresolved = topic
        self._callback = callback
        self._on_lost = on_lost
        with naming_qos_overrides(self.topic, "subscription"):
            self._reliability = self._overridden("reliability", reliability, RELIABILITIES)
            self._durability = self._overridden("durability", durability, DURABILITIES)
        self._subscription: Subscription | None = None
        # Not in the event's callback, which is the subscription's own.
        self._changed = node.create_guard_condition(self.look)

    @property
    def is_open(self) -> bool:
        """Whether messages are received."""
        return self._subscription is not None

    @property
    def qos(self) -> str:
        """What the subscription asks for, in words."""
        return describe_qos(self._subscription.qos_profile) if self._subscription else "closed"

    def publishers(self) -> list[TopicEndpointInfo]:
        """Publishers whose messages can be received."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        return [info for info in infos if info.topic_type == self.type_name]

    def open(self) -> None:
        """Begin to receive.

        Raises:
            ParameterError: an override of the quality of service has no sense.
        """
        self._subscribe(*self._fitting())

    def look(self) -> None:
        """Subscribe anew if other publishers ask for it."""
        fitting = self._fitting()
        if self._subscription is None:
            return
        profile = self._subscription.qos_profile
        if fitting != (profile.reliability, profile.durability):
            self.close()
            self._subscribe(*fitting)

    def close(self) -> None:
        """Receive nothing any more."""
        if self._subscription:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def destroy(self) -> None:
        """Give up everything."""
        self.close()
        self._node.destroy_guard_condition(self._changed)

    def _subscribe(self, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> None:
        with naming_qos_overrides(self.topic, "subscription"):
            self._subscription = self._node.create_subscription(
                self._message_type,
                self._unresolved,
                self._callback,
                QoSProfile(depth=QOS_DEPTH, reliability=reliability, durability=durability),
                # The other two are this class' own.
                qos_overriding_options=QoSOverridingOptions(
                    [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
                ),
                event_callbacks=subscription_events(self._on_message_lost, self._changed.trigger),
            )
        self._node.get_logger().debug(f"subscribed to {self.topic}: {self.qos}")

    def _fitting(self) -> tuple[ReliabilityPolicy, DurabilityPolicy]:
        offered = [info.qos_profile for info in self.publishers()]
        return (
            _fitting_reliability(offered)
            if self._reliability == AUTO
            else ReliabilityPolicy[self._reliability.upper()],
            _fitting_durability(offered)
            if self._durability == AUTO
            else DurabilityPolicy[self._durability.upper()],
        )

    def _on_message_lost(self, event: QoSMessageLostInfo) -> None:
        self._on_lost(event.total_count_change)

    def _overridden(self, policy: str, otherwise: str, words: Sequence[str]) -> str:
        """A policy's word: that of `qos_overrides`, which ROS reads for others, or `otherwise`."""
        name = f"qos_overrides.{self.topic}.subscription.{policy}"
        if not self._node.has_parameter(name):
            description = f"One of {', '.join(words)}; empty: the node's own parameter decides."
            descriptor = ParameterDescriptor(description=description, read_only=True)
            self._node.declare_parameter(name, "", descriptor)
        word = self._node.get_parameter(name).value or otherwise
        if word not in words:
            raise ParameterError(f"parameter '{name}': expected one of {list(words)}, got {word!r}")
        return word


def describe_qos(profile: QoSProfile) -> str:
    """Reliability and durability in words."""
    return f"{profile.reliability.name.lower()}, {profile.durability.name.lower()}"


def _fitting_reliability(offered: Sequence[QoSProfile]) -> ReliabilityPolicy:
    """Reliable where everybody is; whoever is not would send nothing to such a subscription."""
    if any(profile.reliability == ReliabilityPolicy.BEST_EFFORT for profile in offered):
        return ReliabilityPolicy.BEST_EFFORT
    return ReliabilityPolicy.RELIABLE


def _fitting_durability(offered: Sequence[QoSProfile]) -> DurabilityPolicy:
    """Transient local, which gets what was published before, where everybody is."""
    latched = [profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered]
    return (
        DurabilityPolicy.TRANSIENT_LOCAL if latched and all(latched) else DurabilityPolicy.VOLATILE
    )
