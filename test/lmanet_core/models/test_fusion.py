"""Gated fusion against the paper's formula, with its four convolutions apart."""

import torch
from torch.nn import functional

from lmanet_core.models.fusion import GatedFusion


@torch.no_grad()
def test_follows_the_formula_with_four_separate_convolutions():
    torch.manual_seed(0)
    value_channels, channels = 6, 10
    fusion = GatedFusion(value_channels, channels)
    for norm in (fusion.bn, fusion.out_bn):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.normal_()
        norm.bias.normal_()
    fusion.eval()
    query_values, read = torch.randn(2, 2, value_channels, 7, 9)

    def batch_norm(x, norm, channels):
        scale = norm.weight[channels] / (norm.running_var[channels] + 1e-3).sqrt()
        shift = norm.bias[channels] - scale * norm.running_mean[channels]
        return scale[:, None, None] * x + shift[:, None, None]

    def conv(x, layer, channels):
        return functional.conv2d(x, layer.weight[channels], layer.bias[channels], padding=1)

    first, second = slice(0, channels), slice(channels, 2 * channels)
    q = batch_norm(query_values, fusion.bn, slice(0, value_channels)).relu()
    m = batch_norm(read, fusion.bn, slice(value_channels, 2 * value_channels)).relu()
    both = torch.cat([q, m], dim=1)
    query_part = conv(both, fusion.gate, first).sigmoid() * conv(q, fusion.expand, first)
    memory_part = conv(both, fusion.gate, second).sigmoid() * conv(m, fusion.expand, second)
    expected = batch_norm(query_part + memory_part, fusion.out_bn, slice(None)).relu()

    assert torch.allclose(fusion(query_values, read), expected, atol=1e-5)


def test_dropout_is_off_in_eval_mode():
    fusion = GatedFusion(4, 8).eval()
    inputs = torch.randn(2, 1, 4, 5, 5)
    assert torch.equal(fusion(*inputs), fusion(*inputs))
