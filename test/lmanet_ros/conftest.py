"""What all tests with a real node share."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
import ros_harness  # noqa: F401  (sets up the network)
from impressionable import impressionable
from rclpy.signals import SignalHandlerOptions
from sleepy_network import SleepyNetwork

from lmanet_core import save_checkpoint
from lmanet_core.checkpoint import DEFAULT_WEIGHTS

PROJECT = Path(__file__).parents[2]
PARTS = ("lmanet_core", "lmanet_ros", "launch", "config", "resource")
FILES = ("package.xml", "setup.py", "setup.cfg", "pyproject.toml")


SOAK_OPTIONS = {
    "frames": (120, "frames that are sent faster than the network is"),
    "malformed": (50, "messages that are no images"),
    "cycles": (5, "times that the node goes through all of its states"),
    "images": (6, "large images of each camera"),
}
"""How long the soak and fault tests last if nobody says so."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("soak", "length of the soak and fault tests, see `make soak`")
    for name, (default, description) in SOAK_OPTIONS.items():
        group.addoption(f"--soak-{name}", type=int, default=default, help=description)


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> dict[str, int]:
    """How many frames, malformed messages, cycles and images."""
    return {
        # Unknown if pytest was told of no folder or another one.
        name: request.config.getoption(f"soak_{name}", default)
        for name, (default, _) in SOAK_OPTIONS.items()
    }


@pytest.fixture(scope="session")
def sleepy(tmp_path_factory: pytest.TempPathFactory) -> SleepyNetwork:
    """A network that takes a fixed time."""
    return SleepyNetwork(tmp_path_factory.mktemp("sleepy"))


@pytest.fixture(scope="session", autouse=True)
def ros() -> Iterator[None]:
    """ROS in the test process, in the network that `ros_harness` chose."""
    # Ctrl-C is pytest's.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights that remembers two frames, which matter to it."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(impressionable(window_size=3), path)
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
    # What would run in their place.
    (weights / f"{DEFAULT_WEIGHTS}.lmanet").unlink()
    return workspace


@pytest.fixture(scope="session")
def prefix(workspace: Path) -> Path:
    """Where colcon installed the package."""
    colcon = Path(sys.executable).with_name("colcon")
    result = subprocess.run(
        [colcon, "build"], cwd=workspace, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[-W" not in result.stderr, "a warning of the compiler, which colcon calls stderr output"
    return workspace / "install" / "lmanet_ros"
