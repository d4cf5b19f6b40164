"""Pixel unshuffles: fewer layers, the same outputs."""

import torch
from torch import nn

from lmanet_core.export.pixel_unshuffle import merge_pixel_unshuffles


@torch.no_grad()
def test_they_become_steps_of_the_convolutions_behind_them():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 5, 1), nn.ReLU()),
        nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(20, 4, 3, padding=1)),
    )
    image = torch.rand(1, 3, 8, 12)
    expected = model(image)
    merge_pixel_unshuffles(model)
    assert torch.allclose(model(image), expected, atol=1e-5)
    assert sum(isinstance(module, nn.PixelUnshuffle) for module in model.modules()) == 1, (
        "that before a 3x3 convolution stays"
    )
