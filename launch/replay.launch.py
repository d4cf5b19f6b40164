"""Play a rosbag2 to the segmentation node and score what it says, where others can watch.

`ros2 launch lmanet_ros replay.launch.py --show-args`. Node and evaluation run in a namespace of
their own, clear of a camera that is at work and of another replay. Ctrl-C ends the playing; what
has been played by then is reported.
"""

from pathlib import Path
from typing import Any
from uuid import uuid4

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch_ros.actions import Node
from sensor_msgs.msg import CompressedImage

from lmanet_ros.bags.survey import find_image_type
from lmanet_ros.bags.topic_choice import TopicOptions
from lmanet_ros.launching.launch_actions import (
    argument,
    full_namespace,
    launch_description,
    rviz_node,
    segmentation_node,
)
from lmanet_ros.launching.launch_arguments import existing_path, node_parameters, switch
from lmanet_ros.network_choice import CHOICES

NODE_NAME = "segmentation_node"
REPORT_TIMEOUT = "600"
"""Seconds for the report after Ctrl-C."""


def generate_launch_description() -> LaunchDescription:
    return launch_description(_arguments(), _start)


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        DeclareLaunchArgument("bag", description="rosbag2: MCAP or SQLite."),
        argument("output", "Folder for the report.", "evaluation_output"),
        argument("params_file", "YAML file with parameters of the node; none: the package's."),
        argument("checkpoint", "A .safetensors file or the name of shipped weights."),
        argument("model_file", "A file that `lmanet export` made of the checkpoint."),
        argument("engine", "Former name of model_file."),
        argument("device", "auto, cpu, cuda or cuda:N."),
        argument("image_topic", "Topic of the bag with the images; none: the only one there is."),
        argument("label_topic", "Topic of true labels, or 'none'; default: found by its name."),
        argument("live", "Whether to play at a rate; false: without loss.", "true"),
        argument("rate", "Frames per second when live; none: as recorded."),
        argument("namespace", "Of node and evaluation; none: one that nobody else has."),
        argument("rviz", "Whether to open RViz on them.", "false"),
    ]


def _start(context: LaunchContext, arguments: dict[str, str]) -> list[Node]:
    bag = existing_path("bag", arguments["bag"])
    image_topic, label_topic = arguments["image_topic"] or None, arguments["label_topic"] or None
    image_type = find_image_type(
        bag,
        image_topic,
        label_topic,
        TopicOptions(image="image_topic:=", labels="label_topic:="),
    )
    compressed = image_type is CompressedImage
    namespace = full_namespace(context, arguments["namespace"] or f"replay_{uuid4().hex[:8]}")
    of_network = (*CHOICES, "device")
    parameters: dict[str, Any] = {
        **node_parameters({name: arguments[name] for name in of_network}),
        # Whatever the params_file has for a camera.
        "image_topics": ["image"],
        "autostart": True,
        "use_sim_time": False,
        "max_rate": 0.0,
        "compressed": compressed,
        # So that what does not arrive was dropped by the node, not by the middleware.
        "image_reliability": "reliable",
    }
    actions = [
        segmentation_node(
            arguments["params_file"], parameters, name=NODE_NAME, namespace=namespace
        ),
        Node(
            package="lmanet_ros",
            executable="evaluate_bag",
            namespace=namespace,
            arguments=_command(bag, arguments),
            output="screen",
            sigterm_timeout=REPORT_TIMEOUT,
            on_exit=Shutdown(reason="the recording has been evaluated"),
        ),
    ]
    if switch("rviz", arguments["rviz"]):
        actions.append(rviz_node(context, NODE_NAME, namespace, parameters))
    return actions


def _command(bag: Path, arguments: dict[str, str]) -> list[str]:
    options = {
        "--output": str(Path(arguments["output"]).expanduser()),
        "--image-topic": arguments["image_topic"],
        "--label-topic": arguments["label_topic"],
        "--rate": arguments["rate"],
    }
    return [
        str(bag),
        "--attach",
        *(["--live"] if switch("live", arguments["live"]) else []),
        *(f"{option}={value}" for option, value in options.items() if value),
    ]
