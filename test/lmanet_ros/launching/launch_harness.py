"""The launch files, run by the real `ros2 launch` where ROS is installed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ros_harness import NodeProcess

PROJECT = Path(__file__).parents[3]
STAND_IN = f"""#!{sys.executable}
import json, os, sys, rclpy
rclpy.init(args=sys.argv)
node = rclpy.create_node("unnamed", automatically_declare_parameters_from_overrides=True)
parameters = {{name: parameter.value for name, parameter in node._parameters.items()}}
told = {{
    "name": node.get_fully_qualified_name(),
    "parameters": parameters,
    "topic": node.resolve_topic_name("image"),
    "arguments": sys.argv[1:],
    "is_terminal": sys.stdout.isatty(),
}}
with open(os.path.join(os.environ["TOLD"], str(os.getpid())), "w") as file:
    json.dump(told, file)
"""

needs_ros2_launch = pytest.mark.skipif(
    shutil.which("ros2") is None, reason="`ros2 launch` comes with a ROS installation only"
)


def stand_in_prefix(folder: Path) -> Path:
    """Where package and RViz seem to be installed; programs say what they were told and end."""
    for package, programs in {
        "lmanet_ros": ("segmentation_node", "semantic_cloud_node", "evaluate_bag"),
        "rviz2": ("rviz2",),
    }.items():
        index = folder / "share" / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True, exist_ok=True)
        (index / package).touch()
        programs_folder = folder / "lib" / package
        programs_folder.mkdir(parents=True)
        for name in programs:
            (programs_folder / name).write_text(STAND_IN)
            (programs_folder / name).chmod(0o755)
    for part in ("launch", "config"):
        shutil.copytree(PROJECT / part, folder / "share" / "lmanet_ros" / part)
    return folder


@contextmanager
def launched(
    prefix: Path, *arguments: str | Path, told: Path | None = None
) -> Iterator[NodeProcess]:
    """`ros2 launch` with the package in `prefix`; `told` is where stand-ins say what they were."""
    # What setup.bash does to the environment of a shell.
    paths = {"AMENT_PREFIX_PATH": [prefix], "PYTHONPATH": prefix.glob("lib/python*/site-packages")}
    environment = {
        name: os.pathsep.join([*map(str, values), os.environ.get(name, "")])
        for name, values in paths.items()
    }
    environment["TOLD"] = str(told)
    process = NodeProcess(["ros2", "launch", *arguments], environment=environment)
    try:
        yield process
    finally:
        process.end()


def told(prefix: Path, *arguments: str | Path) -> list[dict]:
    """What programs are told that a launch file starts, in the order of their names."""
    with TemporaryDirectory() as folder:
        with launched(prefix, *arguments, told=Path(folder)) as process:
            assert process.wait() == 0, process.output
        programs = [json.loads(file.read_text()) for file in Path(folder).iterdir()]
    return sorted(programs, key=lambda program: program["name"])
