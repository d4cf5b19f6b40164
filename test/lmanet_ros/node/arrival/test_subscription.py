"""What a subscription asks for, by what the publishers of its topic offer."""

from collections.abc import Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_harness import wait_until
from std_msgs.msg import String

from lmanet_ros.node.arrival.subscription import AutoQosSubscription

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
LATCHED, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    node = rclpy.create_node("listener")
    yield node
    node.destroy_node()


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ([], "reliable, volatile"),
        ([(RELIABLE, LATCHED)], "reliable, transient_local"),
        ([(RELIABLE, LATCHED), (RELIABLE, LATCHED)], "reliable, transient_local"),
        ([(RELIABLE, LATCHED), (RELIABLE, VOLATILE)], "reliable, volatile"),
        ([(RELIABLE, VOLATILE), (BEST_EFFORT, VOLATILE)], "best_effort, volatile"),
        ([(BEST_EFFORT, LATCHED), (RELIABLE, LATCHED)], "best_effort, transient_local"),
    ],
)
def test_it_asks_for_as_much_as_all_publishers_offer(node, offered, expected):
    publishers = [
        node.create_publisher(
            String, "text", QoSProfile(depth=1, reliability=reliability, durability=durability)
        )
        for reliability, durability in offered
    ]
    subscription = AutoQosSubscription(node, String, "text", print)
    wait_until(lambda: len(subscription.publishers()) == len(offered), "the publishers")
    assert subscription.qos == "closed"
    subscription.open()
    assert subscription.qos == expected
    # Subscribed anew when others come.
    publishers.append(
        node.create_publisher(String, "text", QoSProfile(depth=1, reliability=BEST_EFFORT))
    )
    wait_until(lambda: len(subscription.publishers()) == len(publishers), "the next publisher")
    subscription.look()
    assert subscription.qos == "best_effort, volatile"
    subscription.destroy()
    for publisher in publishers:
        node.destroy_publisher(publisher)
