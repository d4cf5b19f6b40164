"""Files for tools beside the node: they name what the node really has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from rclpy.context import Context
from rclpy.qos import DurabilityPolicy
from ros_harness import NODE_NAME, OUTPUTS, Client, connected, running_node

from lmanet_core.network.classes import CITYSCAPES

CONFIG = Path(__file__).parents[2] / "config"
README_TOPIC = "/camera/image_raw"
"""That of the camera in the README's command."""
OF_RCLPY = {"get_type_description"}
"""Services that some releases of rclpy add."""


@pytest.fixture(scope="module")
def client(checkpoint) -> Iterator[Client]:
    with running_node(checkpoint) as process, connected(process, *OUTPUTS) as client:
        yield client


def policy(kind: str, privilege: str) -> set[str]:
    """Names that the policy file allows."""
    (profile,) = ElementTree.parse(CONFIG / "segmentation_node.policy.xml").iter("profile")
    assert (profile.get("ns"), profile.get("node")) == ("/", NODE_NAME.strip("/"))
    rules = [rule for rule in profile if rule.tag == kind and rule.get(privilege) == "ALLOW"]
    return {name.text for rule in rules for name in rule}


def test_the_policy_allows_what_the_node_does_and_nothing_else(client):
    name, namespace = NODE_NAME.strip("/"), "/"
    node = client.node
    look_up = {
        ("topics", "publish"): node.get_publisher_names_and_types_by_node,
        ("topics", "subscribe"): node.get_subscriber_names_and_types_by_node,
        ("services", "reply"): node.get_service_names_and_types_by_node,
        ("services", "request"): node.get_client_names_and_types_by_node,
    }
    of_rclpy = {f"{NODE_NAME}/{service}" for service in OF_RCLPY}
    # Only where vision_msgs is installed.
    of_rclpy.add(f"{NODE_NAME}/label_info")
    for (kind, privilege), of_node in look_up.items():

        def used(of_node=of_node) -> set[str]:
            return {topic for topic, _ in of_node(name, namespace)} - of_rclpy

        allowed = policy(kind, privilege)
        # Which of its nodes has what, a process tells after it has made that.
        client.wait_until(lambda allowed=allowed, used=used: allowed <= used(), f"all of {allowed}")
        assert allowed == used(), (kind, privilege)


@pytest.mark.parametrize("name", ["segmentation_node", "erfnet", "pspnet", "segformer"])
def test_ros_reads_the_parameter_files(name):
    context = Context()
    context.init(["--ros-args", "--params-file", str(CONFIG / f"{name}.yaml")])
    context.shutdown()


def test_the_class_table_is_latched(client):
    (publisher,) = client.node.get_publishers_info_by_topic(f"{NODE_NAME}/classes")
    assert publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_rviz_shows_topics_of_the_node(client):
    content = yaml.safe_load((CONFIG / "segmentation.rviz").read_text())
    shown = {display["Topic"]["Value"] for display in content["Visualization Manager"]["Displays"]}
    outputs = {name for name, _ in client.node.get_topic_names_and_types()}
    assert {README_TOPIC, f"{NODE_NAME}/overlay"} <= shown <= {README_TOPIC} | outputs


def test_foxglove_shows_topics_of_the_node(client):
    text = (CONFIG / "foxglove.json").read_text()
    content = json.loads(text)
    panels = set(content["configById"])
    assert set(re.findall(r'"(?:first|second)": "([^"]+)"', text)) == panels
    shown = set(re.findall(r'"(?:imageTopic|topicToRender)": "([^"]+)"', text))
    assert shown == {README_TOPIC, f"{NODE_NAME}/overlay", "/diagnostics"}
    outputs = {name for name, _ in client.node.get_topic_names_and_types()}
    assert shown <= {README_TOPIC} | outputs
    (camera,) = (config for name, config in content["configById"].items() if "StatusPanel" in name)
    status = client.fresh_status()
    # The camera is known by its topic.
    assert (status.hardware_id, camera["selectedHardwareId"]) == ("/image", README_TOPIC)
    assert camera["selectedName"] == status.name


def test_the_costmap_layer_reads_topics_of_the_node_and_knows_its_classes(client):
    content = yaml.safe_load((CONFIG / "nav2_semantic_layer.yaml").read_text())
    layer = content["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_layer"]
    source = layer[layer["observation_sources"]]
    topics = {source["segmentation_topic"], source["confidence_topic"]}
    assert topics <= {name for name, _ in client.node.get_topic_names_and_types()}
    assert source["labels_topic"] == f"{NODE_NAME}/label_info"
    classes = [name for kind in source["class_types"] for name in source[kind]["classes"]]
    assert sorted(classes) == sorted(CITYSCAPES.names)
