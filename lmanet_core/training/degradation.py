"""What a bad sensor does to clips, so that it pays to read from the memory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lmanet_core.data.worsening import WorseningConfig, worsen


def degrade(clips: Tensor, config: WorseningConfig) -> Tensor:
    """Copies of (B, T, 3, H, W) uint8 clips, some of whose frames are worse.

    Each frame by itself: what is remembered is at times worse than what is seen. Drawn from
    PyTorch's random numbers.
    """
    random = np.random.default_rng(int(torch.randint(2**62, ())))
    frames = clips.flatten(0, 1).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    worse = [worsen(f, config, random) if random.random() < config.chance else f for f in frames]
    images = torch.from_numpy(np.stack(worse)).permute(0, 3, 1, 2)
    return images.contiguous().to(clips.device).view_as(clips)
