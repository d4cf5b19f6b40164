"""Start the segmentation node; `ros2 launch lmanet_ros segmentation.launch.py --show-args`."""

from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

DEFAULT_PARAMS_FILE = PathJoinSubstitution(
    [FindPackageShare("lmanet_ros"), "config", "erfnet.yaml"]
)
LOG_LEVELS = ["debug", "info", "warn", "error", "fatal"]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "params_file",
                default_value=DEFAULT_PARAMS_FILE,
                description="YAML file with the parameters of the node.",
            ),
            DeclareLaunchArgument(
                "image_topic",
                default_value="image",
                description="Camera topic; with `compressed: true` in the parameters, its "
                "`/compressed` sibling is used.",
            ),
            DeclareLaunchArgument(
                "cameras",
                default_value="",
                description="Topics of several cameras, with commas between them, in place of "
                "image_topic; each gets a memory and a namespace of its own.",
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                description="Whether the node configures and activates itself; false: a lifecycle "
                "manager does; empty: what the params_file says.",
            ),
            DeclareLaunchArgument(
                "checkpoint",
                default_value="",
                description="A .safetensors file or the name of shipped weights; "
                "empty: what the params_file says.",
            ),
            DeclareLaunchArgument(
                "namespace", default_value="", description="Namespace of the node."
            ),
            DeclareLaunchArgument(
                "use_sim_time", default_value="false", description="Follow /clock, for bags."
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                choices=LOG_LEVELS,
                description="Lowest level of what is logged.",
            ),
            OpaqueFunction(function=_start_node),
        ]
    )


def _start_node(context: LaunchContext) -> list[Node]:
    params_file = LaunchConfiguration("params_file").perform(context)
    if not Path(params_file).is_file():
        # Left to itself, the node would start with its defaults.
        raise FileNotFoundError(f"params_file: there is no file '{params_file}'")
    overrides: dict[str, Any] = {
        "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    }
    if LaunchConfiguration("checkpoint").perform(context):
        overrides["checkpoint"] = ParameterValue(LaunchConfiguration("checkpoint"), value_type=str)
    if LaunchConfiguration("autostart").perform(context):
        overrides["autostart"] = ParameterValue(LaunchConfiguration("autostart"), value_type=bool)
    if cameras := LaunchConfiguration("cameras").perform(context):
        overrides["image_topics"] = [topic.strip() for topic in cameras.split(",")]
    return [
        Node(
            package="lmanet_ros",
            executable="segmentation_node",
            name="segmentation_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[params_file, overrides],
            remappings=[("image", LaunchConfiguration("image_topic"))],
            ros_arguments=["--log-level", LaunchConfiguration("log_level")],
            output="screen",
        )
    ]
