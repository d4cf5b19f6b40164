"""What the operator benchmark runs: implementations, and the sizes they run at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor

from lmanet_core.benchmark.ops_baselines import (
    local_attention_flex,
    local_attention_shifts,
    local_attention_unfold,
)
from lmanet_core.ops import local_attention
from lmanet_core.ops.functional import Implementation

IMPLEMENTATIONS: dict[str, Implementation] = {
    "unfold": local_attention_unfold,
    "flex": local_attention_flex,
    "shifts": local_attention_shifts,
    "tiled": partial(local_attention, implementation="tiled"),
    "fused": partial(local_attention, implementation="fused"),
}


@dataclass(frozen=True)
class Size:
    """What the operator is given; the default is the ERFNet model at 1024x512, its memory full."""

    frames: int = 4
    window_size: int = 21
    height: int = 64
    width: int = 128
    key_channels: int = 16
    value_channels: int = 64

    @property
    def flops(self) -> int:
        """Floating-point operations of a forward pass that nobody can avoid: its two products."""
        pairs = self.height * self.width * self.frames * self.window_size**2
        return 2 * pairs * (self.key_channels + self.value_channels)

    def inputs(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Query, keys and values of one stream, channels innermost as the model has them."""
        generator = torch.Generator().manual_seed(0)

        def random(*shape: int) -> Tensor:
            numbers = torch.randn(*shape, self.height, self.width, generator=generator)
            return numbers.movedim(-3, -1).contiguous().movedim(-1, -3).to(dtype)

        return (
            random(1, self.key_channels),
            random(1, self.frames, self.key_channels),
            random(1, self.frames, self.value_channels),
        )


ERFNET = Size()
PSPNET = Size(frames=3, height=128, width=256, key_channels=128, value_channels=2048)
OPERATING_POINTS = {"erfnet": ERFNET, "pspnet": PSPNET}
"""Sizes that the paper's models use the operator with: ERFNet at 1024x512, PSPNet at 2048x1024."""


@dataclass(frozen=True)
class Case:
    """One thing to measure."""

    implementation: str
    dtype: str
    size: Size

    @property
    def name(self) -> str:
        """Implementation and dtype."""
        return f"{self.implementation} {'bf16' if self.dtype == 'bfloat16' else 'fp32'}"

    def forward(self) -> Callable[[], Tensor]:
        """A forward pass, without autograd, on inputs that are made here."""
        inputs = self.size.inputs(getattr(torch, self.dtype))
        run = IMPLEMENTATIONS[self.implementation]
        return torch.no_grad()(lambda: run(*inputs, self.size.window_size))

    def forward_and_backward(self) -> Callable[[], None]:
        """A forward pass and the gradients of query, keys and values."""
        inputs = self.size.inputs(getattr(torch, self.dtype))
        for tensor in inputs:
            tensor.requires_grad_()
        run = IMPLEMENTATIONS[self.implementation]

        def step() -> None:
            read = run(*inputs, self.size.window_size)
            torch.autograd.grad(read, inputs, torch.ones_like(read))

        return step


def missing_implementations() -> dict[str, str]:
    """Implementations and libraries that this machine cannot run, and why."""
    missing = {}
    if shutil.which("g++") is None:
        missing["flex"] = "torch.compile needs a C++ compiler"
    missing["natten"] = "not installed"
    if find_spec("natten"):
        missing["natten"] = (
            "installed, but it has no kernel for the CPU: it would call flex attention uncompiled, "
            "which stores all scores, and wants as many key as value channels"
        )
    missing["spatial-correlation-sampler"] = "not installed"
    if find_spec("spatial_correlation_sampler"):
        missing["spatial-correlation-sampler"] = "installed, but it computes scores only"
    return missing
