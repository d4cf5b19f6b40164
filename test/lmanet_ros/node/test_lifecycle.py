"""The managed node: what there is in which state."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_harness import Client, NodeProcess, image_message, running_node, street

BONDPY = """
class Bond:
    heartbeat_period = heartbeat_timeout = 0.0
    sub = pub = None

    def __init__(self, node, topic, id):
        self.name = f"bond {id} on {topic}"

    def start(self):
        print(self.name, "with", self.heartbeat_period, self.heartbeat_timeout, flush=True)

    def shutdown(self):
        print(self.name, "ended", flush=True)
"""
"""What the node uses of the package, which is in no registry."""


# First, while the other tests' node does not run yet.
def test_a_manager_is_bound_from_activation_to_deactivation(checkpoint):
    bondpy = pytest.importorskip(
        "bondpy.bondpy", reason="bondpy comes with a ROS installation only"
    )
    with running_node(checkpoint, "-p", "autostart:=false") as process, closing(Client()) as client:
        process.wait_for_output("waiting to be configured")
        assert client.change_state("configure")
        assert client.change_state("activate")
        formed = threading.Event()
        manager = bondpy.Bond(client.node, "bond", "segmentation_node", on_formed=formed.set)
        manager.start()
        client.wait_until(formed.is_set, "the bond")
        assert client.change_state("deactivate")
        client.wait_until(manager.is_broken, "the end of the bond")
        assert client.change_state("activate")
        segment(client)


@pytest.fixture(scope="module")
def managed(checkpoint, tmp_path_factory) -> Iterator[NodeProcess]:
    folder = tmp_path_factory.mktemp("packages")
    (folder / "bondpy").mkdir()
    (folder / "bondpy" / "bondpy.py").write_text(BONDPY)
    paths = os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))
    environment = {"PYTHONPATH": paths}
    with running_node(checkpoint, "-p", "autostart:=false", environment=environment) as process:
        process.wait_for_output("waiting to be configured")
        yield process


@pytest.fixture
def client(managed) -> Iterator[Client]:
    """Of a node that is unconfigured."""
    client = Client()
    yield client
    if client.state() != "unconfigured":
        while client.state() == "active":
            assert client.change_state("deactivate")
        assert client.change_state("cleanup")
    client.close()


def segment(client: Client, **options: object) -> None:
    """Send an image until an answer comes: the other side may not have found this one yet."""
    client.wait_until(client.subscription_count, "the node to listen")
    client.wait_until(lambda: client.publisher_count("labels"), "the labels")
    client.ask(image_message(street(), **options))


def test_each_state_has_what_belongs_to_it(managed, client):
    assert client.state() == "unconfigured"
    assert client.fresh_status().message == "not configured"
    client.wait_until(
        lambda: (client.subscription_count(), client.publisher_count("labels")) == (0, 0),
        "nothing but its diagnostics",
    )

    assert client.change_state("configure")
    client.wait_until(lambda: client.publisher_count("labels"), "the labels")
    assert client.fresh_status().message == "inactive"
    assert client.subscription_count() == 0, "an inactive node leaves the camera alone"

    assert client.change_state("activate")
    segment(client)
    status = client.fresh_status()
    assert (status.message, status.level) == ("segmenting", DiagnosticStatus.OK)
    assert client.counts()["memory_filled"] == 1
    managed.wait_for_output("bond segmentation_node on bond with 0.1 4.0")
    assert "ended" not in managed.output

    assert client.change_state("deactivate")
    managed.wait_for_output("bond segmentation_node on bond ended")
    client.wait_until(lambda: client.subscription_count() == 0, "the camera to be free")
    assert client.counts()["memory_filled"] == 0
    assert client.change_state("activate")
    segment(client, stamp=1.1)
    assert client.counts()["memory_filled"] == 1, "what was before must not be remembered"

    assert client.change_state("deactivate")
    assert client.change_state("cleanup")
    client.wait_until(lambda: client.publisher_count("labels") == 0, "the labels to go")


def test_a_failure_is_reported_and_can_be_mended(managed, client, checkpoint):
    (result,) = client.set_parameters(checkpoint="nowhere")
    assert result.successful
    assert not client.change_state("configure")
    assert client.state() == "unconfigured"
    status = client.fresh_status()
    assert status.level == DiagnosticStatus.ERROR
    assert "parameter 'checkpoint': no checkpoint 'nowhere'" in status.message
    managed.wait_for_output("cannot configure: parameter 'checkpoint'")

    client.set_parameters(checkpoint=str(checkpoint), image_topics=["~/color"])
    assert not client.change_state("configure")
    assert (
        "this node publishes /segmentation_node/camera_info, /segmentation_node/color itself"
        in (client.fresh_status().message)
    )

    client.set_parameters(image_topics=["image"], memory_size=5)
    assert client.change_state("configure")
    assert client.counts()["memory_size"] == 5
    client.change_state("cleanup")
    client.set_parameters(memory_size=-1)


# Last: there is no way back.
def test_a_node_that_was_shut_down_answers_and_allows_nothing(managed):
    with closing(Client()) as client:
        assert client.change_state("shutdown")
        assert client.state() == "finalized"
        assert not client.change_state("configure")
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
        assert not client.call(ChangeState, "change_state", request).success
        assert client.fresh_status().message == "not configured"
        managed.signal()
        assert managed.wait() == 0, managed.output
