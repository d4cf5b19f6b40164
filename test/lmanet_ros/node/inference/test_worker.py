"""A network slower than the camera: as slow as a test wants, so that no machine is too busy."""

from collections.abc import Iterator

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_harness import Client, NodeProcess, connected, image_message, street


@pytest.fixture(scope="module")
def slow_node(sleepy) -> Iterator[NodeProcess]:
    with sleepy.running_node(0.0, "-p", "error_latency:=0.3") as process:
        yield process


@pytest.fixture
def client(slow_node) -> Iterator[Client]:
    with connected(slow_node) as client:
        yield client


def test_the_newest_frame_wins_and_dropped_frames_are_counted(sleepy, client):
    messages = [image_message(street(seed=i), stamp=1 + i / 100) for i in range(6)]
    received = client.counts()["received"]
    with sleepy.held():
        for number, message in enumerate(messages, start=1):
            client.send(message)
            client.wait_for_count("received", received + number)
    answers = client.received["labels"]
    client.wait_until(
        lambda: answers and answers[-1].header == messages[-1].header,
        "an answer to the newest frame",
    )
    stamps = [answer.header.stamp.nanosec for answer in answers]
    assert stamps == sorted(set(stamps))
    counts = client.counts()
    assert counts["processed"] == len(answers)
    assert counts["dropped"] > 0
    assert counts["processed"] + counts["dropped"] == counts["received"]


def test_a_network_that_does_not_answer_is_an_error(sleepy, client):
    with sleepy.held():
        client.send(image_message(street()))
        client.wait_until(
            lambda: "a frame has been waiting for" in client.status.message,
            "the delay to be noticed",
        )
        assert client.status.level == DiagnosticStatus.ERROR
        assert not client.received["labels"]
    client.wait_until(lambda: client.received["labels"], "an answer after all")


def test_a_frame_from_before_is_not_published_when_the_node_is_active_again(sleepy, client):
    received = client.counts()["received"]
    with sleepy.held():
        client.send(image_message(street(), frame_id="before"))
        client.wait_for_count("received", received + 1)
        assert client.change_state("deactivate")
        assert client.change_state("activate")
    client.wait_until(client.subscription_count, "the node to listen")
    client.ask(image_message(street(), frame_id="after"))
    assert [answer.header.frame_id for answer in client.received["labels"]] == ["after"]
    assert client.counts()["memory_filled"] == 1, "what was before must not be remembered"
