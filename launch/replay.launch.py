"""Play a rosbag2 to the segmentation node and score what it says, where others can watch.

`ros2 launch lmanet_ros replay.launch.py --show-args`. Node and evaluation run in the namespace
`replay`, clear of a camera that is at work.
"""

from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare
from sensor_msgs.msg import CompressedImage

from lmanet_ros.bags.survey import find_image_type
from lmanet_ros.bags.topics import TopicOptions

DEFAULT_PARAMS_FILE = PathJoinSubstitution(
    [FindPackageShare("lmanet_ros"), "config", "erfnet.yaml"]
)
NAMESPACE = "replay"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="rosbag2: MCAP or SQLite."),
            DeclareLaunchArgument(
                "output", default_value="evaluation_output", description="Folder for the report."
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=DEFAULT_PARAMS_FILE,
                description="YAML file with the parameters of the node.",
            ),
            DeclareLaunchArgument(
                "checkpoint",
                default_value="",
                description="A .safetensors file or the name of shipped weights; "
                "empty: what the params_file says.",
            ),
            DeclareLaunchArgument(
                "image_topic",
                default_value="",
                description="Topic of the bag with the images; empty: the only one there is.",
            ),
            DeclareLaunchArgument(
                "label_topic",
                default_value="",
                description="Topic of the bag with true labels, or none; empty: found by its name.",
            ),
            DeclareLaunchArgument(
                "live",
                default_value="true",
                choices=["true", "false"],
                description="Play at a rate; false: without loss, as fast as that goes.",
            ),
            DeclareLaunchArgument(
                "rate",
                default_value="",
                description="Frames per second when live; empty: as recorded.",
            ),
            OpaqueFunction(function=_start_nodes),
        ]
    )


def _start_nodes(context: LaunchContext) -> list[Node]:
    def argument(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    params_file = argument("params_file")
    if not Path(params_file).is_file():
        # Left to itself, the node would start with its defaults.
        raise FileNotFoundError(f"params_file: there is no file '{params_file}'")
    image_topic, label_topic = argument("image_topic") or None, argument("label_topic") or None
    image_type = find_image_type(
        Path(argument("bag")),
        image_topic,
        label_topic,
        TopicOptions(image="image_topic:=", labels="label_topic:="),
    )
    compressed = image_type is CompressedImage
    topic = f"/{NAMESPACE}/image/compressed" if compressed else f"/{NAMESPACE}/image"
    overrides: dict[str, Any] = {
        "compressed": compressed,
        # So that what does not arrive was dropped by the node, not by the middleware.
        f"qos_overrides.{topic}.subscription.reliability": "reliable",
    }
    if argument("checkpoint"):
        overrides["checkpoint"] = argument("checkpoint")
    options = {
        "--output": argument("output"),
        "--image-topic": image_topic,
        "--label-topic": label_topic,
        "--rate": argument("rate") or None,
    }
    command = [argument("bag"), "--attach"]
    command += ["--live"] if argument("live") == "true" else []
    command += [f"{option}={value}" for option, value in options.items() if value]
    return [
        Node(
            package="lmanet_ros",
            executable="segmentation_node",
            name="segmentation_node",
            namespace=NAMESPACE,
            parameters=[params_file, overrides],
            output="screen",
        ),
        Node(
            package="lmanet_ros",
            executable="evaluate_bag",
            namespace=NAMESPACE,
            arguments=command,
            output="screen",
            on_exit=Shutdown(reason="the recording has been evaluated"),
        ),
    ]
