"""The fused CUDA kernels: forward and backward, in Triton, for tensor cores.

Triton is imported here and in `fused_cuda_kernels` only: import this module where it is needed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
import triton
from torch import Tensor
from torch.nn import functional

from lmanet_core.ops.implementations.attention_tensors import AttentionTensors, attention_outputs
from lmanet_core.ops.implementations.fused_cuda_kernels import (
    forward_kernel,
    grad_memory_kernel,
    grad_query_kernel,
)
from lmanet_core.ops.implementations.fused_cuda_tiles import MEASURED, Tiles
from lmanet_core.ops.implementations.triton_launch import Launch

CHANNEL_BLOCK = 16
"""Channels that tensor cores multiply at a time."""
_TYPES = (torch.float16, torch.bfloat16, torch.float32)


def supports(dtype: torch.dtype) -> bool:
    """float16, bfloat16 (from Ampere on) and float32; sums are kept in float32."""
    return dtype in _TYPES


def forward(query: Tensor, keys: Tensor, values: Tensor, window_size: int) -> tuple[Tensor, Tensor]:
    """Local attention; see `lmanet_core.ops.local_attention` for shapes.

    Any strides will do, channels last are the fastest: then a position is one piece of memory.
    What has no whole blocks of channels is copied. A frame must span fewer than 2^31 elements. A
    NaN among the values reaches those who see it and no one else; so does an infinity, as NaN.

    Returns:
        What `attention_outputs` makes.
    """
    value_channels = values.shape[2]
    query, keys, values = (_in_whole_blocks(tensor) for tensor in (query, keys, values))
    read, log_sum_exp = attention_outputs(query, values)
    tensors = AttentionTensors(query, keys, values, read, log_sum_exp)
    launch = forward_launch(tensors, window_size, capability_of(query.device))
    with torch.cuda.device_of(query):
        launch.run()
    read = read[:, :value_channels].contiguous(memory_format=torch.channels_last)
    return read, log_sum_exp


def backward(
    grad_read: Tensor, tensors: AttentionTensors, window_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, keys and values.

    Probabilities are computed anew and nothing is added atomically: the same inputs give the same
    bits. Other than in `forward`, a NaN may reach all that is within a window and a tile.
    """
    query, keys, values, read = map(_in_whole_blocks, tensors[:4])
    padded = AttentionTensors(query, keys, values, read, tensors.log_sum_exp)
    gradients = (torch.empty_like(query), torch.empty_like(keys), torch.empty_like(values))
    capability = capability_of(query.device)
    grad_read = _in_whole_blocks(grad_read)
    launches = backward_launches(grad_read, padded, gradients, window_size, capability)
    with torch.cuda.device_of(query):
        for launch in launches:
            launch.run()
    grad_query, grad_keys, grad_values = map(_without_padding, gradients, tensors[:3])
    return grad_query, grad_keys, grad_values


def _in_whole_blocks(tensor: Tensor) -> Tensor:
    """The tensor with channels of zeros up to a whole number of blocks, in half precision.

    The assembler of CUDA 12.8, which Triton 3.6 brings, loses the address of a factor in some
    kernels for Hopper whose key channels are no whole blocks: with (Dk, Dv) = (5, 20) an H100 gave
    wrong gradients, and with (33, 20) one sees it in what it writes for the forward pass. Other
    chips do not need this; it is the same for all so that there is one way to test.
    """
    missing = -tensor.shape[-3] % CHANNEL_BLOCK
    if tensor.dtype == torch.float32 or not missing:
        return tensor
    channels_last = functional.pad(tensor.movedim(-3, -1), (0, missing))
    return channels_last.movedim(-1, -3)


def _without_padding(gradient: Tensor, given: Tensor) -> Tensor:
    """The gradient of the channels that were given, with their strides."""
    if gradient.shape == given.shape:
        return gradient
    return torch.empty_like(given).copy_(gradient.narrow(-3, 0, given.shape[-3]))


@dataclass(frozen=True)
class Cut:
    """How the work is cut, known when a kernel is compiled; it takes of it what it names.

    Programs own tiles of `tile_rows` x `tile_columns` positions, visit `step` positions of the halo
    at a time, multiply `key_depth` or `value_depth` channels at a time and add up `key_block` or
    `value_block` channels of a result. All but the first three are powers of 2, the last four 16
    or more.
    """

    window_size: int
    key_channels: int
    value_channels: int
    tile_rows: int
    tile_columns: int
    step: int
    key_depth: int
    value_depth: int
    key_block: int
    value_block: int

    @property
    def tile_size(self) -> int:
        return self.tile_rows * self.tile_columns

    @property
    def halo_columns(self) -> int:
        return self.tile_columns + self.window_size - 1


@dataclass(frozen=True)
class AttentionLaunch(Launch):
    """A kernel of local attention."""

    cut: Cut = field(kw_only=True)


def forward_launch(
    tensors: AttentionTensors,
    window_size: int,
    compute_capability: int,
    tiles: Tiles | None = None,
) -> AttentionLaunch:
    """How `forward` fills `read` and `log_sum_exp` on a chip, 87 for example; looks at no data.

    Args:
        tiles: how the work is cut; None: as measured on such a chip, or else as `choose_cut` does.
    """
    query, keys, values = tensors[:3]
    channels = keys.shape[2], values.shape[2]
    cut = choose_cut(*channels, keys.dtype, window_size, compute_capability)
    if tiles is None and keys.dtype != torch.float32:
        tiles = MEASURED.get((compute_capability, cut.key_channels, cut.value_channels))
    if tiles is not None:
        cut = replace(cut, tile_rows=tiles.rows, tile_columns=tiles.columns, step=tiles.step)
    blocks = triton.cdiv(cut.value_channels, cut.value_block)
    grid = (_tiles(cut, query), blocks, len(query))
    launch = _launch(forward_kernel, grid, tensors._asdict(), cut=cut)
    if tiles is not None:
        return replace(launch, warps=tiles.warps, stages=tiles.stages)
    # With two stages registers are spilled by Triton 3.9 on an A100, and by 3.4 with few warps.
    few_with_3_4 = triton.__version__.startswith("3.4.") and launch.warps == 4
    return replace(launch, stages=3) if compute_capability == 80 or few_with_3_4 else launch


def backward_launches(
    grad_read: Tensor,
    tensors: AttentionTensors,
    gradients: tuple[Tensor, Tensor, Tensor],
    window_size: int,
    compute_capability: int,
) -> list[AttentionLaunch]:
    """How `backward` fills `gradients`, in this order, like `forward_launch`."""
    query, keys, values = tensors[:3]
    channels = keys.shape[2], values.shape[2]
    cut = choose_cut(*channels, keys.dtype, window_size, compute_capability)
    # Triton 3.2 aborts where eight warps of a Hopper compute these, and four have fewer registers.
    old_on_hopper = compute_capability == 90 and triton.__version__.startswith("3.2.")
    few_warps = old_on_hopper and cut.step > 32
    if few_warps:
        cut = replace(cut, step=32)
    named = {
        **tensors._asdict(),
        "grad_read": grad_read,
        "mean_grad": torch.empty_like(tensors.log_sum_exp),
        "grad_query": gradients[0],
        "grad_keys": gradients[1],
        "grad_values": gradients[2],
    }
    tiles, streams, planes = _tiles(cut, query), len(query), len(query) * keys.shape[1]
    key_blocks = triton.cdiv(cut.key_channels, cut.key_block)
    value_blocks = triton.cdiv(cut.value_channels, cut.value_block)
    passes, memory_cut = [(key_blocks, True, False), (value_blocks, False, True)], cut
    # One pass makes both gradients of the memory where shared memory has room for it. Releases of
    # Triton before 3.9 need smaller steps then, to have registers for both.
    if key_blocks == value_blocks == 1 and cut.key_block + cut.value_block <= 128:
        passes, memory_cut = [(1, True, True)], replace(cut, step=min(cut.step, 32))
    launches = [
        _launch(grad_query_kernel, (tiles, key_blocks, streams), named, cut=cut),
        *(
            _launch(
                grad_memory_kernel,
                (tiles, blocks, planes),
                named,
                cut=memory_cut,
                of_keys=of_keys,
                of_values=of_values,
            )
            for blocks, of_keys, of_values in passes
        ),
    ]
    return [replace(launch, warps=4) for launch in launches] if few_warps else launches


def choose_cut(
    key_channels: int,
    value_channels: int,
    dtype: torch.dtype,
    window_size: int,
    compute_capability: int,
) -> Cut:
    """What no chip spills registers for; docs/lab/cuda_kernels.md has the figures.

    Triton drives tensor cores from Ampere on, and float32 would lose digits in them. Without them
    a thread holds whole rows and columns of the factors, so that pieces have to be small.
    """
    tensor_cores = compute_capability >= 80 and dtype != torch.float32
    key_block, value_block = (
        max(CHANNEL_BLOCK, triton.next_power_of_2(channels))
        for channels in (key_channels, value_channels)
    )
    if tensor_cores:
        tile, depth, blocks = (8, 8, 64), 128, (min(key_block, 128), min(value_block, 256))
    else:
        tile, depth, blocks = (4, 8, 16), 16, (min(key_block, 64), min(value_block, 64))
    depths = min(key_block, depth), min(value_block, depth)
    return Cut(window_size, key_channels, value_channels, *tile, *depths, *blocks)


def choose_warps(cut: Cut) -> int:
    """Warps of a program."""
    small = cut.tile_size > 32 and max(cut.key_block, cut.value_block) <= 64
    return 4 if small else 8


def _tiles(cut: Cut, query: Tensor) -> int:
    height, width = query.shape[-2:]
    return triton.cdiv(height, cut.tile_rows) * triton.cdiv(width, cut.tile_columns)


def _launch(
    kernel: Any, grid: tuple[int, int, int], tensors: dict[str, Tensor], cut: Cut, **parts: bool
) -> AttentionLaunch:
    """Give the kernel those tensors, strides and constants that it asks for."""
    _, frames, _, height, width = tensors["keys"].shape
    arguments = {"frames": frames, "height": height, "width": width}
    for name, tensor in tensors.items():
        arguments |= _strided(name, tensor)
    constants = {**asdict(cut), **parts}
    return AttentionLaunch(
        kernel,
        grid,
        {name: arguments[name] for name in kernel.arg_names if name in arguments},
        {name: constants[name] for name in kernel.arg_names if name in constants},
        warps=choose_warps(cut),
        cut=cut,
    )


def _strided(name: str, tensor: Tensor) -> dict[str, Any]:
    """A tensor (B, S, D, H, W) or (B, D, H, W) and its strides; one (B, H, W) is contiguous."""
    dimensions: tuple[str, ...] = ("stream", "frame", "channel", "row", "column")
    if tensor.dim() == 4:
        dimensions = ("stream", "channel", "row", "column")
    strides = tensor.stride() if tensor.dim() > 3 else ()
    names = (f"{name}_{dimension}" for dimension in dimensions)
    return {name: tensor, **dict(zip(names, strides, strict=False))}


def capability_of(device: torch.device) -> int:
    """90 for Hopper; 80 for Triton's interpreter, which runs on the CPU."""
    if device.type != "cuda":
        return 80
    major, minor = torch.cuda.get_device_capability(device)
    return 10 * major + minor
