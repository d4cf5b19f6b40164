"""The real node with a network that takes a fixed time."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from ros_harness import NodeProcess, running_node
from sleepy_backbone import HOLD, STEP_SECONDS, SleepyBackbone

from lmanet_core import ModelConfig, build_model, save_checkpoint
from lmanet_core.models import BACKBONES


class SleepyNetwork:
    """The network as an installed package announces it, in a checkpoint with a memory of two.

    Args:
        folder: an empty one, for both.
    """

    def __init__(self, folder: Path) -> None:
        package = folder / "sleepy-1.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: sleepy\nVersion: 1.0\n")
        (package / "entry_points.txt").write_text(
            "[lmanet.backbones]\nsleepy = sleepy_backbone:SleepyBackbone\n"
        )
        self._folder = folder
        self._hold = folder / "hold"
        self._checkpoint = folder / "sleepy.safetensors"
        BACKBONES["sleepy"] = SleepyBackbone
        torch.manual_seed(0)
        config = ModelConfig(
            backbone="sleepy", memory_size=2, window_size=3, key_channels=2, value_channels=2
        )
        save_checkpoint(build_model(config), self._checkpoint)

    def running_node(self, step: float, *arguments: str) -> AbstractContextManager[NodeProcess]:
        """Run the node with this network; `step` seconds per frame."""
        paths = (str(self._folder), str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))
        environment = {STEP_SECONDS: str(step), HOLD: str(self._hold)}
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        return running_node(self._checkpoint, *arguments, environment=environment)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The network does not end a frame while the context lasts."""
        self._hold.touch()
        try:
            yield
        finally:
            self._hold.unlink()
