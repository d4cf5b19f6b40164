"""Normalisation statistics that follow a camera's images."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lmanet_core import LMANet, ModelConfig, build_model
from lmanet_core.training.batch_statistics import (
    LabelFreeScore,
    adapt_statistics,
    score_without_labels,
)


def network() -> LMANet:
    torch.manual_seed(0)
    return build_model(replace(ModelConfig(), memory_size=2, window_size=3)).eval()


def frame(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(32, 64, 3), dtype=np.uint8)


def norms(model: LMANet) -> list[nn.BatchNorm2d]:
    parts = (model.encoder, model.decoder)
    return [m for part in parts for m in part.modules() if isinstance(m, nn.BatchNorm2d)]


@torch.no_grad()
def test_followed_to_the_end_every_layer_has_the_statistics_of_what_it_sees() -> None:
    model = network()
    adapt_statistics(model, [frame(0)], 1.0)
    seen: dict[nn.Module, Tensor] = {}
    for norm in norms(model):
        norm.register_forward_pre_hook(lambda layer, args: seen.update({layer: args[0]}))
    model(torch.from_numpy(frame(0)).permute(2, 0, 1)[None, None].float() / 255)
    for norm in norms(model):
        mean, variance = seen[norm].mean((0, 2, 3)), seen[norm].var((0, 2, 3), correction=0)
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-2, atol=1e-4)


def test_by_a_share_of_0_nothing_moves_and_the_memory_never_does() -> None:
    before, model = network(), network()
    adapt_statistics(model, [frame(0), frame(1)], 0.0)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before.state_dict()[name], rtol=1e-5, atol=1e-6)
    adapt_statistics(model, [frame(0), frame(1)], 0.3)
    moved = {
        name.split(".")[0]
        for name, tensor in model.state_dict().items()
        if not torch.equal(tensor, before.state_dict()[name])
    }
    assert moved == {"encoder", "decoder"}
    assert all(
        torch.equal(parameter, other)
        for parameter, other in zip(model.parameters(), before.parameters(), strict=True)
    )


def test_the_statistics_are_of_all_images_and_follow_by_the_share() -> None:
    first = norms(network())[0]
    ends = []
    for images in ([frame(0)], [frame(1)], [frame(0), frame(1)]):
        model = network()
        adapt_statistics(model, images, 0.5)
        ends.append(norms(model)[0].running_mean)
    torch.testing.assert_close(ends[2], (ends[0] + ends[1]) / 2)
    whole = network()
    adapt_statistics(whole, [frame(0)], 1.0)
    torch.testing.assert_close(ends[0], (first.running_mean + norms(whole)[0].running_mean) / 2)


def test_a_network_without_statistics_is_refused() -> None:
    model = copy.deepcopy(network())
    model.encoder, model.decoder = nn.Identity(), nn.Identity()
    with pytest.raises(ValueError, match="no batch normalisations"):
        adapt_statistics(model, [frame(0)], 0.1)


def test_what_says_one_class_everywhere_is_sure_and_steady() -> None:
    model = network()
    pairs = [(frame(0), frame(0)), (frame(1), frame(1))]
    unsure = score_without_labels(model, pairs)
    model.decoder.output_conv.bias.data[3] = 1e4
    sure = score_without_labels(model, pairs)
    assert sure == LabelFreeScore(1.0, 1.0)
    assert 0 < unsure.confidence < 1
    assert sure.is_not_below(unsure)
    assert not unsure.is_not_below(sure)
