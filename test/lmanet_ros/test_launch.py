"""The launch file: by itself, and run by the real `ros2 launch` where ROS is installed."""

import ast
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rcl_interfaces.srv import GetParameters
from ros_harness import Client, NodeProcess, connected, image_message, street

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "segmentation.launch.py"
ARGUMENTS = {
    "params_file",
    "image_topic",
    "cameras",
    "autostart",
    "checkpoint",
    "namespace",
    "use_sim_time",
    "log_level",
}

needs_ros2_launch = pytest.mark.skipif(
    shutil.which("ros2") is None, reason="`ros2 launch` comes with a ROS installation only"
)


def strings_of_calls(name: str) -> set[str]:
    """First arguments of the calls of `name` in the launch file."""
    calls = (node for node in ast.walk(ast.parse(LAUNCH_FILE.read_text())) if hasattr(node, "func"))
    return {call.args[0].value for call in calls if getattr(call.func, "id", None) == name}


def test_the_arguments_are_declared_and_all_are_used():
    assert strings_of_calls("DeclareLaunchArgument") == ARGUMENTS
    assert strings_of_calls("LaunchConfiguration") == ARGUMENTS


@contextmanager
def launched(prefix: Path, *arguments: str) -> Iterator[NodeProcess]:
    site_packages = next(prefix.glob("lib/python*/site-packages"))
    # What setup.bash does to the environment of a shell.
    paths = {"AMENT_PREFIX_PATH": prefix, "PYTHONPATH": site_packages}
    environment = [f"{name}={path}:{os.environ.get(name, '')}" for name, path in paths.items()]
    launch = ["ros2", "launch", "lmanet_ros", "segmentation.launch.py"]
    process = NodeProcess(["env", *environment, *launch, *arguments])
    try:
        yield process
    finally:
        process.end()


def parameters(client: Client, *names: str) -> dict[str, object]:
    service = client.node.create_client(GetParameters, f"{client.node_name}/get_parameters")
    client.wait_until(service.service_is_ready, "the parameters of the node")
    response = client.result(service.call_async(GetParameters.Request(names=names)))
    fields = {1: "bool_value", 2: "integer_value", 3: "double_value", 4: "string_value"}
    return {
        name: getattr(value, fields[value.type])
        for name, value in zip(names, response.values, strict=True)
    }


@needs_ros2_launch
def test_without_arguments_the_shipped_weights_segment_the_topic_image(prefix):
    with launched(prefix) as process, connected(process) as client:
        assert client.ask(image_message(street()))["labels"].encoding == "mono8"
        assert parameters(client, "use_sim_time", "memory_size", "checkpoint") == {
            "use_sim_time": False,
            "memory_size": -1,
            "checkpoint": "",
        }
        begin = time.monotonic()
        process.signal(signal.SIGINT)
        assert process.wait() == 0
        assert time.monotonic() - begin < 4
        assert "process has finished cleanly" in process.output
        assert "Traceback" not in process.output


@needs_ros2_launch
def test_every_argument_reaches_the_node(prefix, checkpoint, tmp_path):
    params_file = tmp_path / "parameters.yaml"
    params_file.write_text(
        "/**:\n  ros__parameters:\n    checkpoint: nowhere\n    memory_size: 1\n"
    )
    arguments = {
        "params_file": params_file,
        "image_topic": "/camera/image_raw",
        "cameras": "image",
        "autostart": "true",
        "checkpoint": checkpoint,
        "namespace": "front",
        "use_sim_time": "true",
        "log_level": "debug",
    }
    assert set(arguments) == ARGUMENTS
    options = {"node_name": "/front/segmentation_node", "topic": "/camera/image_raw"}
    with (
        launched(prefix, *(f"{name}:={value}" for name, value in arguments.items())) as process,
        connected(process, **options) as client,
    ):
        client.ask(image_message(street()))
        assert parameters(client, "use_sim_time", "memory_size", "checkpoint") == {
            "use_sim_time": True,
            "memory_size": 1,
            "checkpoint": str(checkpoint),
        }
        assert "[DEBUG]" in process.output


@needs_ros2_launch
def test_a_missing_params_file_is_named(prefix):
    with launched(prefix, "params_file:=/no/such.yaml") as process:
        assert process.wait() != 0
        assert "params_file: there is no file '/no/such.yaml'" in process.output
