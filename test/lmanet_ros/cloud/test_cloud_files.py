"""Files beside the semantic cloud node: they name what it really has."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import yaml
from cloud_harness import NODE_NAME, OUTPUTS, CloudClient, running_cloud_node
from rclpy.context import Context

from lmanet_ros.cloud.cloud_parameters import CloudParameters
from lmanet_ros.launching.launch_arguments import CLOUD_PARAMS_FILE

CONFIG = Path(__file__).parents[3] / "config"
DEFAULTS = asdict(CloudParameters())


def settings_in(text: str) -> dict[str, object]:
    settings = yaml.safe_load(text)["/**/semantic_cloud_node"]["ros__parameters"]
    return {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}


def test_the_parameter_file_states_all_parameters_those_at_their_defaults_in_comments():
    text = (CONFIG / CLOUD_PARAMS_FILE).read_text()
    settings = settings_in(text)
    assert all(value != DEFAULTS[name] for name, value in settings.items())
    everything = re.sub(rf"(?m)^    # ((?:{'|'.join(DEFAULTS)}): )", r"    \1", text)
    assert settings_in(everything) == DEFAULTS | settings
    context = Context()
    context.init(["--ros-args", "--params-file", str(CONFIG / CLOUD_PARAMS_FILE)])
    context.shutdown()


def test_the_policy_allows_what_the_node_does_and_nothing_else():
    (profile,) = ElementTree.parse(CONFIG / "semantic_cloud_node.policy.xml").iter("profile")
    allowed = {
        (rule.tag, kind): {name.text for name in rule}
        for rule in profile
        for kind in ("publish", "subscribe", "reply")
        if rule.get(kind) == "ALLOW"
    }
    with running_cloud_node("-r", "labels:=/segmentation_node/labels"):
        client = CloudClient(outputs=("points",))
        try:
            graph, name = client.node, NODE_NAME.strip("/")
            client.wait_until(
                lambda: (
                    client.reports > 0
                    and name in graph.get_node_names()
                    and graph.count_subscribers("/depth") > 0
                    and graph.count_publishers(f"{NODE_NAME}/transition_event") > 0
                ),
                "the node",
            )
            used = {
                ("topics", "publish"): graph.get_publisher_names_and_types_by_node,
                ("topics", "subscribe"): graph.get_subscriber_names_and_types_by_node,
                ("services", "reply"): graph.get_service_names_and_types_by_node,
            }
            for key, find in used.items():
                # Services that some releases of rclpy add do not count.
                names = {n for n, _ in find(name, "/")} - {f"{NODE_NAME}/get_type_description"}
                assert names == allowed[key], key
        finally:
            client.close()


def test_nav2_and_foxglove_are_shown_topics_of_the_node():
    costmap = yaml.safe_load((CONFIG / "nav2_obstacle_layer.yaml").read_text())
    layer = costmap["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_obstacles"]
    sources = {name: layer[name] for name in layer["observation_sources"].split()}
    topics = {f"{NODE_NAME}/{name}" for name in OUTPUTS}
    assert {source["topic"] for source in sources.values()} <= topics
    assert sources["obstacles"]["marking"]
    assert not sources["ground"]["marking"]
    view = json.loads((CONFIG / "foxglove_cloud.json").read_text())
    assert set(view["configById"]["3D!cloud"]["topics"]) == topics
