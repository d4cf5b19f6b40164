"""A network that takes a fixed time on any machine, or as long as a test wants: it sleeps."""

import os
import time
from pathlib import Path

from torch import Tensor, nn

from lmanet_core.models import SizeRule

STEP_SECONDS = "SLEEPY_STEP_SECONDS"
"""Environment variable with the time that a frame takes."""
HOLD = "SLEEPY_HOLD"
"""Environment variable with a path: while there is something, a frame is not done with."""


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(3, 4, 1))

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(float(os.environ.get(STEP_SECONDS, "0")))
        while HOLD in os.environ and Path(os.environ[HOLD]).exists():
            time.sleep(0.01)
        return self.project(images)


class SleepyBackbone:
    """Any labels, after the time in the environment."""

    feature_channels, stride, size_rule = 4, 8, SizeRule(multiple=8)

    def __init__(self, num_classes: int) -> None:
        self.encoder = _Encoder()
        self.decoder = nn.Sequential(nn.Conv2d(4, num_classes, 1), nn.Upsample(scale_factor=8))
