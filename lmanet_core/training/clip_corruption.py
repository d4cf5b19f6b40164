"""What a bad sensor does to clips, so that it pays to read from the memory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lmanet_core.data.corruption import CorruptionConfig, corrupt


def corrupt_clips(clips: Tensor, config: CorruptionConfig) -> Tensor:
    """Copies of (B, T, 3, H, W) uint8 clips, some of whose frames are corrupted.

    Each frame by itself: what is remembered may be corrupted and what is seen clean. Drawn from
    PyTorch's random numbers.
    """
    random = np.random.default_rng(int(torch.randint(2**62, ())))
    frames = clips.flatten(0, 1).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    seen = [corrupt(f, config, random) if random.random() < config.chance else f for f in frames]
    images = torch.from_numpy(np.stack(seen)).permute(0, 3, 1, 2)
    return images.contiguous().to(clips.device).view_as(clips)
