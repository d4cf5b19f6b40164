"""What is the same on all releases of ROS 2."""

from collections.abc import Iterator

import pytest
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_harness import wait_until

from lmanet_ros.ros_releases import watch_parameters


@pytest.fixture(params=["this release", "without a callback for changes that are made"])
def node(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """Has the parameter `rate`."""
    if request.param != "this release":
        monkeypatch.delattr(Node, "add_post_set_parameters_callback", raising=False)
    node = rclpy.create_node("watched")
    node.declare_parameter("rate", 1.0)
    yield node
    node.destroy_node()


def test_changes_are_checked_and_then_applied_before_whoever_made_them_goes_on(node):
    applied = []

    def check(changes: list[Parameter]) -> SetParametersResult:
        assert node.get_parameter("rate").value == (applied[-1] if applied else 1.0)
        return SetParametersResult(successful=all(change.value > 0 for change in changes))

    watch_parameters(node, check, lambda: applied.append(node.get_parameter("rate").value))
    (result,) = node.set_parameters([Parameter("rate", value=2.0)])
    assert result.successful
    assert applied == [2.0]
    assert node.set_parameters_atomically([Parameter("rate", value=3.0)]).successful
    assert applied == [2.0, 3.0]
    assert not node.set_parameters_atomically([Parameter("rate", value=-1.0)]).successful
    assert applied[-1] == node.get_parameter("rate").value == 3.0


def test_a_service_has_changes_applied_before_it_answers(node):
    order = []
    watch_parameters(
        node,
        lambda changes: SetParametersResult(successful=True),
        lambda: order.append(f"applied {node.get_parameter('rate').value}"),
    )
    client = rclpy.create_node("changing")
    executor = SingleThreadedExecutor()
    executor.add_node(client)
    executor.add_node(node)
    try:
        service = client.create_client(SetParameters, "/watched/set_parameters")
        wait_until(service.service_is_ready, "the service")
        change = Parameter("rate", value=5.0).to_parameter_msg()
        future = service.call_async(SetParameters.Request(parameters=[change]))
        future.add_done_callback(lambda done: order.append("answered"))
        wait_until(lambda: "answered" in order, "an answer", lambda: executor.spin_once(0.05))
        assert future.result().results[0].successful
        assert order == ["applied 5.0", "answered"]
    finally:
        executor.shutdown()
        client.destroy_node()
