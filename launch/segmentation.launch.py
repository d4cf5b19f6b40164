"""Start the segmentation node; `ros2 launch lmanet_ros segmentation.launch.py --show-args`.

An argument that is not given changes nothing: the parameters are then up to a launch file that
includes this one (SetParameter, SetParametersFromFile), to `params_file` and to the node.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch_ros.actions import Node

from lmanet_ros.launching.launch_actions import (
    argument,
    cameras_of,
    cloud_nodes,
    full_name,
    launch_description,
    rviz_node,
    segmentation_node,
)
from lmanet_ros.launching.launch_arguments import cloud_sources, node_parameters, switch

RESPAWN_DELAY = 2.0
"""Seconds."""


def generate_launch_description() -> LaunchDescription:
    return launch_description(_arguments(), _start)


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        argument(
            "params_file",
            "YAML file with parameters of the node, in which $(find-pkg-share PACKAGE) and the "
            "like are replaced; none: the package's config for its default network.",
        ),
        argument(
            "image_topic", "Camera topic; with `compressed` its `/compressed` sibling is used."
        ),
        argument(
            "cameras",
            "Topics of several cameras, with commas between them, instead of image_topic; each "
            "gets a memory and a namespace of its own.",
        ),
        argument(
            "compressed", "Whether images come as sensor_msgs/CompressedImage: true or false."
        ),
        argument("image_reliability", "How images are received: auto, reliable or best_effort."),
        argument("checkpoint", "A .safetensors file or the name of shipped weights."),
        argument("model_file", "A file that `lmanet export` made of the checkpoint."),
        argument("engine", "Former name of model_file."),
        argument("device", "auto, cpu, cuda or cuda:N."),
        argument(
            "autostart",
            "Whether the node configures and activates itself: true, or false where a lifecycle "
            "manager does.",
        ),
        argument("use_sim_time", "Whether to follow /clock, for bags: true or false."),
        argument("namespace", "Namespace of the node."),
        argument(
            "node_name",
            "Its name; two nodes need two names or two namespaces.",
            "segmentation_node",
        ),
        argument("respawn", "Whether the node is started again when it dies.", "false"),
        argument(
            "cloud",
            "Whether to start semantic_cloud_node, too, for each camera: points that know their "
            "class.",
            "false",
        ),
        argument(
            "depth_topic",
            "Depth image that is registered to the camera, with a camera_info beside it; with "
            "several cameras one for each, with commas. Default: depth.",
        ),
        argument("cloud_topic", "A lidar's cloud, instead of depth_topic."),
        argument(
            "cloud_params_file", "YAML file with parameters of semantic_cloud_node; none: ours."
        ),
        argument("rviz", "Whether to open RViz on the topics of these arguments.", "false"),
        argument("emulate_tty", "Whether what is logged has colours.", "false"),
        argument(
            "log_level",
            "Lowest level of what is logged.",
            "info",
            ["debug", "info", "warn", "error", "fatal"],
        ),
    ]


def _start(context: LaunchContext, arguments: dict[str, str]) -> list[Node]:
    parameters = node_parameters(arguments)
    name, namespace = arguments["node_name"], arguments["namespace"]
    options = {
        "namespace": namespace,
        "respawn": switch("respawn", arguments["respawn"]),
        "respawn_delay": RESPAWN_DELAY,
        "emulate_tty": switch("emulate_tty", arguments["emulate_tty"]),
    }
    log_level = arguments["log_level"]
    nodes = [
        segmentation_node(arguments["params_file"], parameters, log_level, name=name, **options)
    ]
    outputs = full_name(context, name, namespace)
    clouds = cloud_sources(arguments, cameras_of(parameters), outputs)
    nodes += cloud_nodes(clouds, arguments["cloud_params_file"], log_level, **options)
    if switch("rviz", arguments["rviz"]):
        nodes.append(rviz_node(context, name, namespace, parameters, clouds))
    return nodes
