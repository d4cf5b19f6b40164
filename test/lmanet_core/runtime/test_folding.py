"""Folding: fewer layers, the same outputs."""

import torch
from torch import nn

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
