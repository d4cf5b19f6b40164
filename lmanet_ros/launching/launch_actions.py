"""Actions of the launch files; needs `launch` and `launch_ros` of a ROS installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.utilities import make_namespace_absolute, prefix_namespace
from rclpy.expand_topic_name import expand_topic_name

from lmanet_ros.launching.launch_arguments import (
    CLOUD_PARAMS_FILE,
    DEFAULT_PARAMS_FILE,
    CloudSource,
    existing_path,
)
from lmanet_ros.launching.rviz_view import rviz_view
from lmanet_ros.network_choice import whole_choice

PACKAGE = "lmanet_ros"
CLOUD_NODE = "semantic_cloud_node"
CONFIG = Path(get_package_share_directory(PACKAGE)) / "config"


def argument(
    name: str, description: str, default: str = "", choices: Sequence[str] | None = None
) -> DeclareLaunchArgument:
    """A launch argument; the empty default asks for nothing."""
    return DeclareLaunchArgument(
        name, default_value=default, description=description, choices=choices
    )


def launch_description(
    arguments: Sequence[DeclareLaunchArgument],
    start: Callable[[LaunchContext, dict[str, str]], list[Node]],
) -> LaunchDescription:
    """A launch description that leaves nothing behind in one that includes it.

    Args:
        arguments: arguments of the launch file.
        start: what to do with their values.
    """

    def begin(context: LaunchContext) -> list[Node]:
        names = [declared.name for declared in arguments]
        return start(
            context, {name: LaunchConfiguration(name).perform(context).strip() for name in names}
        )

    # Outside of a group, defaults would stay set for whatever is launched next.
    return LaunchDescription([GroupAction([*arguments, OpaqueFunction(function=begin)])])


def segmentation_node(
    params_file: str, parameters: Mapping[str, Any], log_level: str = "info", **options: Any
) -> Node:
    """The node with its parameters.

    Args:
        params_file: that somebody chose; empty: nobody did. The package's own then gives way to
            what an including launch file sets for all of its nodes.
        parameters: parameters that the user asked for; they go before all others.
        log_level: lowest level of what is logged.
        options: options of the action that starts it.

    Raises:
        ArgumentError: there is no such file.
    """
    return _managed_node(
        "segmentation_node",
        DEFAULT_PARAMS_FILE,
        params_file,
        whole_choice(parameters),
        log_level,
        **options,
    )


def cloud_nodes(
    sources: Sequence[CloudSource], params_file: str, log_level: str, namespace: str, **options: Any
) -> list[Node]:
    """A semantic cloud node for each camera, in a namespace of its name if there are several.

    Args:
        sources: topics and parameters of each.
        params_file, log_level, options: as of `segmentation_node`.
        namespace: namespace of the segmentation node.

    Raises:
        ArgumentError: there is no such file.
    """
    return [
        _managed_node(
            CLOUD_NODE,
            CLOUD_PARAMS_FILE,
            params_file,
            source.parameters,
            log_level,
            name=CLOUD_NODE,
            namespace="/".join(filter(None, (namespace.rstrip("/"), source.camera))),
            remappings=source.remappings,
            **options,
        )
        for source in sources
    ]


def _managed_node(
    executable: str,
    default_file: str,
    params_file: str,
    parameters: Mapping[str, Any],
    log_level: str,
    **options: Any,
) -> Node:
    # What ros_arguments hold comes first on the command line, and the last one counts.
    ros_arguments = ["--log-level", log_level]
    chosen: list[Any] = []
    if params_file:
        path = existing_path("params_file", params_file)
        # Only where it is asked for, because replacing takes backslashes away.
        chosen.append(ParameterFile(str(path), allow_substs="$(" in path.read_text()))
    else:
        ros_arguments += ["--params-file", str(CONFIG / default_file)]
    if parameters:
        chosen.append({name: _typed(value) for name, value in parameters.items()})
    return Node(
        package=PACKAGE,
        executable=executable,
        parameters=chosen,
        ros_arguments=ros_arguments,
        output="screen",
        **options,
    )


def cameras_of(parameters: Mapping[str, Any]) -> list[str]:
    """What the segmentation node calls its cameras; of a single one ''.

    Args:
        parameters: parameters of the node, as far as they were asked for.
    """
    # Here, because it is needed for nothing else.
    from lmanet_ros.node.arrival.camera import camera_names

    topics = parameters.get("image_topics", ["image"])
    return camera_names(topics) if len(topics) > 1 else [""]


def full_name(context: LaunchContext, name: str, namespace: str) -> str:
    """The full name of a node that is started with this name and namespace."""
    return str(expand_topic_name("~", name, full_namespace(context, namespace)))


def full_namespace(context: LaunchContext, namespace: str) -> str:
    """The namespace of a node that is started with this one."""
    group = context.launch_configurations.get("ros_namespace")
    return str(make_namespace_absolute(prefix_namespace(group, namespace) or ""))


def rviz_node(
    context: LaunchContext,
    node_name: str,
    namespace: str,
    parameters: Mapping[str, Any],
    clouds: Sequence[CloudSource] = (),
) -> Node:
    """RViz with the package's view of a segmentation node, and of points that know their class.

    Args:
        context: where both are launched.
        node_name: name of the node.
        namespace: that the node is started with.
        parameters: parameters of the node, as far as they were asked for.
        clouds: clouds of the semantic cloud nodes.
    """
    topics = parameters.get("image_topics", ["image"])
    names = cameras_of(parameters)
    suffix = "/compressed" if parameters.get("compressed") else ""
    full = full_namespace(context, namespace)
    cameras = {
        name: expand_topic_name(topic, node_name, full) + suffix
        for name, topic in zip(names, topics, strict=True)
    }
    points = {
        cloud.camera: expand_topic_name(
            "~", CLOUD_NODE, "/" + "/".join(filter(None, (full.strip("/"), cloud.camera)))
        )
        for cloud in clouds
    }
    view = rviz_view(
        (CONFIG / "segmentation.rviz").read_text(),
        cameras,
        full_name(context, node_name, namespace),
        points,
    )
    # Left behind, as launch does with parameters: nobody says when RViz has read it.
    with NamedTemporaryFile("w", prefix="lmanet_", suffix=".rviz", delete=False) as file:
        file.write(view)
    clock = {name: value for name, value in parameters.items() if name == "use_sim_time"}
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", file.name],
        parameters=[clock],
        output="screen",
    )


def _typed(value: Any) -> Any:
    """Launch would read a text as YAML and make a number of '0'."""
    return ParameterValue(value, value_type=str) if isinstance(value, str) else value
