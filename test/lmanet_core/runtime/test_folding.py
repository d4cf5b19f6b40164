"""Folding: fewer layers, the same outputs."""

import logging

import pytest
import torch
from torch import Tensor, nn

from lmanet_core import ModelConfig, build_model
from lmanet_core.runtime.pytorch.folding import fold_batch_norms


@torch.no_grad()
def test_outputs_stay_the_same_and_norms_go():
    torch.manual_seed(0)
    model = build_model(ModelConfig(memory_size=2, window_size=3)).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    clip = torch.rand(1, 3, 3, 32, 64)
    expected = model(clip)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    fold_batch_norms(model)
    left = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert torch.allclose(model(clip), expected, atol=1e-4 * float(expected.abs().max()))
    assert (norms, left) == (41, 5), "what follows a concatenation or precedes a gate stays"


class Block(nn.Module):
    """In the usual form, with names that this library does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.up, self.after = nn.ConvTranspose2d(4, 4, 2), nn.BatchNorm2d(4)
        self.seen_twice, self.bn3 = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.layers = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)])

    def forward(self, images: Tensor) -> Tensor:
        features = self.after(self.up(self.bn1(self.conv1(images)).relu()))
        features = self.layers[1](self.layers[0](features))
        other = self.seen_twice(features)
        return self.bn3(other) + other


class Untraceable(Block):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) if images.sum() > 0 else images


@pytest.mark.parametrize(("kind", "left"), [(Block, 1), (Untraceable, 4)])
@torch.no_grad()
def test_a_network_of_ones_own_is_folded_as_its_forward_says_or_a_line_says_why_not(
    kind, left, caplog
):
    torch.manual_seed(0)
    block = kind()
    images = torch.rand(2, 3, 8, 8)
    for _ in range(3):  # statistics that are not those of the start
        block(images)
    expected = block.eval()(images)
    with caplog.at_level(logging.WARNING):
        fold_batch_norms(block)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in block.modules()) == left
    torch.testing.assert_close(block(images), expected)
    assert [r.message.startswith("Untraceable runs slower") for r in caplog.records] == (
        [True] if kind is Untraceable else []
    )
