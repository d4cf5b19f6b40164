"""What raises in a callback, of any kind, ends nothing."""

from collections.abc import Iterator
from functools import partial

import pytest
import rclpy
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from ros_harness import wait_until
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lmanet_ros.node.resilience import ResilientExecutor, answer_all_requests


def fail(*arguments: object) -> None:
    raise RuntimeError("a bug")


@pytest.fixture
def fallible() -> Iterator[Node]:
    """A node of which most callbacks raise."""
    node = rclpy.create_node("fallible")
    node.create_timer(0.001, fail)
    node.create_subscription(String, "text", fail, 10)
    node.create_service(Trigger, "broken", fail)
    node.create_service(Trigger, "whole", lambda *_: Trigger.Response(success=True))
    answer_all_requests(node)
    yield node
    node.destroy_node()


@pytest.fixture
def asked(fallible) -> Iterator[partial]:
    """Asks that node: type, name and request of a service."""
    client = rclpy.create_node("client")
    executor = ResilientExecutor()
    executor.add_node(fallible)
    executor.add_node(client)

    def ask(service_type: type, name: str, request: object) -> object:
        service = client.create_client(service_type, name)
        spin = partial(executor.spin_once, 0.05)
        wait_until(service.service_is_ready, name, spin)
        future = service.call_async(request)
        wait_until(future.done, f"an answer of {name}", spin)
        return future.result()

    # What comes off the wire may be no message: not a callback fails, but what takes it.
    executor._take_subscription = fail
    texts = client.create_publisher(String, "text", 10)
    wait_until(texts.get_subscription_count, "the subscription", partial(executor.spin_once, 0.05))
    texts.publish(String(data="a"))
    yield ask
    executor.shutdown()
    client.destroy_node()


def test_a_node_goes_on_after_callbacks_that_raise_and_says_that_requests_failed(asked):
    for _ in range(2):
        assert not asked(Trigger, "broken", Trigger.Request()).success
        assert asked(Trigger, "whole", Trigger.Request()).success


def test_parameters_that_are_nonsense_leave_the_others_their_results(asked, fallible):
    fallible.declare_parameter("a", 1)
    fallible.declare_parameter("b", 1)
    values = {"a": ParameterValue(type=2, integer_value=5), "b": ParameterValue(type=99)}
    parameters = [ParameterMessage(name=name, value=value) for name, value in values.items()]
    parameters.append(ParameterMessage(name="b", value=ParameterValue(type=2, integer_value=7)))

    request = SetParametersAtomically.Request(parameters=parameters)
    result = asked(SetParametersAtomically, "fallible/set_parameters_atomically", request).result
    assert not result.successful
    assert "99" in result.reason
    assert fallible.get_parameter("a").value == 1

    request = SetParameters.Request(parameters=parameters)
    results = asked(SetParameters, "fallible/set_parameters", request).results
    assert [result.successful for result in results] == [True, False, True]
    assert "99" in results[1].reason
    assert [fallible.get_parameter(name).value for name in "ab"] == [5, 7]
