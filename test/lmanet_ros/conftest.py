"""What all tests with a real node share."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
import ros_harness  # noqa: F401  (sets up the network)
import torch
from rclpy.signals import SignalHandlerOptions

from lmanet_core import ModelConfig, build_model, save_checkpoint
from lmanet_core.checkpoint import DEFAULT_WEIGHTS

PROJECT = Path(__file__).parents[2]
PARTS = ("lmanet_core", "lmanet_ros", "launch", "config", "resource")
FILES = ("package.xml", "setup.py", "setup.cfg", "pyproject.toml")


@pytest.fixture(scope="session", autouse=True)
def ros() -> Iterator[None]:
    """ROS in the test process, in the network that `ros_harness` chose."""
    # Ctrl-C is pytest's.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights that remembers two frames."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(build_model(ModelConfig(memory_size=2, window_size=3)), path)
    return path


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """A workspace with a copy of the package, whose default weights are small random ones."""
    workspace = tmp_path_factory.mktemp("workspace")
    source = workspace / "src" / "lmanet_ros"
    for part in PARTS:
        # Without the libraries that an editable installation has built in place.
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(PROJECT / part, source / part, ignore=ignored)
    for file in FILES:
        shutil.copy(PROJECT / file, source)
    weights = source / "lmanet_core" / "weights"
    weights.mkdir(exist_ok=True)
    shutil.copy(checkpoint, weights / f"{DEFAULT_WEIGHTS}.safetensors")
    return workspace


@pytest.fixture(scope="session")
def prefix(workspace: Path) -> Path:
    """Where colcon installed the package."""
    colcon = Path(sys.executable).with_name("colcon")
    result = subprocess.run(
        [colcon, "build"], cwd=workspace, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return workspace / "install" / "lmanet_ros"
