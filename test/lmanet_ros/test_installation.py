"""What colcon and pip make of the package."""

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hidden_packages import without_packages
from ros_harness import NodeProcess, connected, image_message, promptly, street

from lmanet_core.checkpoint import DEFAULT_WEIGHTS


@pytest.mark.parametrize(
    "path",
    [
        "lib/lmanet_ros/segmentation_node",
        "lib/lmanet_ros/evaluate_bag",
        "lib/lmanet_ros/make_bag",
        "share/lmanet_ros/launch/segmentation.launch.py",
        "share/lmanet_ros/launch/replay.launch.py",
        "share/lmanet_ros/config/segmentation_node.yaml",
        "share/lmanet_ros/package.xml",
        "share/ament_index/resource_index/packages/lmanet_ros",
    ],
)
def test_colcon_installs_what_ros2_run_and_launch_look_for(prefix, path):
    assert (prefix / path).is_file()


def test_the_installed_executable_segments_and_ends_on_ctrl_c(workspace, prefix):
    # With no more than what a user's shell does.
    command = f". {workspace}/install/setup.sh && exec {prefix}/lib/lmanet_ros/segmentation_node"
    process = NodeProcess(["sh", "-c", command], cwd=workspace)
    try:
        with connected(process) as client:
            assert "memory of 2 frames" in process.output, "not the weights of this workspace"
            message = image_message(street())
            assert client.ask(message)["labels"].header == message.header
            with promptly():
                process.signal(signal.SIGINT)
                assert process.wait() == 0
            assert "Traceback" not in process.output
    finally:
        process.end()


def test_without_ros_every_program_says_in_a_line_what_brings_it(tmp_path):
    environment = os.environ | without_packages(tmp_path, "rclpy", "sensor_msgs", "rcl_interfaces")
    programs = ("segmentation_node", "evaluate_bag", "make_bag", "rerun_view", "video_publisher")
    running = {
        program: subprocess.Popen(
            [sys.executable, "-m", f"lmanet_ros.{program}"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for program in (*programs, "demo", "node_benchmark")
    }
    for program, process in running.items():
        _, said = process.communicate()
        assert process.returncode == 1
        assert said.startswith(f"{program}: this needs the package ")
        assert said.count("\n") == 1
        assert "a ROS 2 installation, whose setup.bash is to be sourced" in said
        assert "pip install '.[ros]'" in said


def test_colcon_builds_the_fused_kernel(prefix):
    assert list(prefix.glob("lib/python*/site-packages/lmanet_core/kernel/_kernel*.so"))


def build_wheel(workspace: Path, folder: Path, **environment: str) -> Path:
    """Build the package's wheel in `folder`, from a copy of the sources."""
    source = shutil.copytree(workspace / "src" / "lmanet_ros", folder / "source")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    command = [sys.executable, "-m", "pip", "wheel", *options, source]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_a_wheel_without_a_compiler_holds_all_but_the_kernel(workspace, tmp_path):
    with zipfile.ZipFile(build_wheel(workspace, tmp_path, CC="false", CXX="false")) as archive:
        names = archive.namelist()
    assert "lmanet_core/kernel/library.py" in names
    assert not any(name.endswith(".so") for name in names)


def test_a_wheel_holds_code_kernel_weights_and_entry_point(workspace, prefix, tmp_path):
    # What colcon has compiled is not compiled again.
    configuration = tmp_path / "build.cfg"
    configuration.write_text(f"[build]\nbuild_base = {workspace}/build/lmanet_ros/build\n")
    wheel = build_wheel(workspace, tmp_path, DIST_EXTRA_CONFIG=str(configuration))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "segmentation_node = lmanet_ros.segmentation_node:main" in (
            archive.read(entry_points).decode()
        )
    assert f"lmanet_core/weights/{DEFAULT_WEIGHTS}.safetensors" in names
    assert "lmanet_ros/node/managed_node.py" in names
    assert "lmanet_ros/evaluation/report.html" in names
    assert any(re.match(r"lmanet_core/kernel/_kernel.*\.so", name) for name in names)
    assert any(name.endswith("share/lmanet_ros/launch/segmentation.launch.py") for name in names)
    assert not any(name.startswith(("test", "training")) for name in names)
