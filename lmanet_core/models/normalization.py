"""The normalisation of networks whose encoders were trained on ImageNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class ImageNetNormalization(nn.Module):
    """(B, 3, H, W) RGB in 0..1 -> the same with ImageNet's mean 0 and deviation 1 per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Constants of the architecture: no checkpoint needs to hold them.
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std
