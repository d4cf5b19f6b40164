"""What a network costs: multiplications per stage and bytes per remembered frame."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lmanet_core.models.lmanet import LMANet
from lmanet_core.models.memory import LocalMemory


@dataclass(frozen=True)
class NetworkCost:
    """The cost of one frame, memory full, at one image size."""

    size: tuple[int, int]
    """(width, height) in pixels, as the network accepts it."""
    features: tuple[int, int, int]
    """(C, H, W) between encoder and decoder."""
    macs: dict[str, int]
    """Multiply-accumulate operations of each stage."""
    values_per_frame: int
    """Numbers that a remembered frame takes: (Dk + Dv) H W."""


@torch.no_grad()
def network_cost(model: LMANet, size: tuple[int, int]) -> NetworkCost:
    """Count without computing: the network runs on tensors that have shapes only.

    Args:
        model: any network; it stays as it is.
        size: (width, height) of the images in pixels, rounded to what the network accepts.

    Products of tensors are counted, as is usual; activations and normalisations are not.
    """
    width, height = (model.size_rule.nearest(side) for side in size)
    model = copy.deepcopy(model).to("meta").eval()
    images = torch.empty(1, 3, height, width, device="meta")
    macs = {}
    features, macs["encoder"] = _count(model.encoder, images)
    values_per_frame = 0
    if model.memory is not None:
        memory = model.memory
        frame, macs["memory heads"] = _count(memory.project, features)
        macs["attention"] = _attention_macs(memory, frame, model.config.memory_size)
        features, macs["fusion"] = _count(
            lambda read: memory.fusion(frame.query_value, read, frame.features), frame.query_value
        )
        values_per_frame = frame.memory_key.numel() + frame.memory_value.numel()
    _, macs["decoder"] = _count(model.decoder, features)
    _, channels, rows, columns = features.shape
    return NetworkCost((width, height), (channels, rows, columns), macs, values_per_frame)


def _count(stage: Callable, argument: Tensor) -> tuple:
    with FlopCounterMode(display=False) as counter:
        result = stage(argument)
    # The counter takes a multiplication and an addition for two operations.
    return result, counter.get_total_flops() // 2


def _attention_macs(memory: LocalMemory, frame: tuple[Tensor, ...], memory_size: int) -> int:
    query, values = frame[0], frame[1]
    positions = query[0, 0].numel()
    window = positions if memory.window_size is None else memory.window_size**2
    return memory_size * window * positions * (query.shape[1] + values.shape[1])
