"""A network whose answers depend on what is in its memory; random weights hardly do that."""

from __future__ import annotations

import torch

from lmanet_core import LMANet, ModelConfig, build_model


def impressionable(**settings: object) -> LMANet:
    """A small network that remembers two frames; `settings` are those of `ModelConfig`."""
    torch.manual_seed(0)
    network = build_model(ModelConfig(memory_size=2, **settings))
    with torch.no_grad():
        for weight in network.memory.parameters():
            if weight.ndim > 1:
                weight *= 30
    return network
