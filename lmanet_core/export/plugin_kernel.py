# mypy: allow-untyped-defs, allow-incomplete-defs
"""The CUDA kernel of the TensorRT plugin: that of `lmanet_core.ops`, for a memory filled in part.

TensorRT starts it without Python, from PTX that is part of the engine, with the addresses of the
inputs, then numbers, then the addresses of the outputs. Needs Triton, but no GPU.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from lmanet_core.ops.implementations.fused_cuda import (
    AttentionLaunch,
    choose_cut,
    choose_warps,
)
from lmanet_core.ops.implementations.fused_cuda_compile import compile_launch, newest_ptx
from lmanet_core.ops.implementations.fused_cuda_kernels import (
    VARYING,
    read_memory,
    store,
    tile_of_program,
)
from lmanet_core.runtime.pytorch.compiled_kernel import CompiledKernel

DEFAULT_SHARED_MEMORY = 48 << 10
"""Bytes that a block may take without being asked for; TensorRT is not known to ask for more."""
OLDEST_PTX = 88
"""Version 8.8, which drivers for CUDA 12.9 and later assemble; Triton's default is its newest."""
JETPACK_6_PTX = 85
"""Version 8.5, which drivers for CUDA 12.5 and later assemble."""
PTX_VERSIONS = {110: 90}
"""PTX versions of chips that the default version does not know."""
PARAMETERS = ("query", "keys", "values", "filled", "height", "width", "read")
"""What the kernel is started with."""


@triton.jit(do_not_specialize=VARYING)
def plugin_kernel(
    query, keys, values, filled, height, width, read,
    window_size: tl.constexpr, key_channels: tl.constexpr, value_channels: tl.constexpr,
    tile_rows: tl.constexpr, tile_columns: tl.constexpr, step: tl.constexpr,
    key_depth: tl.constexpr, value_block: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of queries, blocks of value channels. All tensors have their channels innermost.

    Other than in `forward_kernel`, a NaN among the values may reach all that is within a tile.
    """
    # One slot at least is read: of an empty memory that gives a number, which the graph drops.
    frames = tl.maximum(tl.load(filled), 1)
    rows, columns, inside = tile_of_program(height, width, tile_rows, tile_columns)
    channels = tl.program_id(1) * value_block + tl.arange(0, value_block)
    positions = rows * width + columns
    result, _ = read_memory(
        query, positions * key_channels, 1,
        keys, height * width * key_channels, 1, width * key_channels, key_channels,
        values, height * width * value_channels, 1, width * value_channels, value_channels,
        frames, height, width, rows, columns, inside, channels,
        window_size, key_channels, value_channels, tile_rows, tile_columns, step, key_depth,
    )  # fmt: skip
    store(read, result, positions * value_channels, inside, channels, 1, value_channels)


def plugin_launch(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    filled: Tensor,
    read: Tensor,
    window_size: int,
    compute_capability: int,
) -> AttentionLaunch:
    """How the kernel fills `read` (H, W, Dv); shapes as in `lmanet_core.export.attention_forms`."""
    channels = keys.shape[-1], values.shape[-1]
    cut = choose_cut(*channels, keys.dtype, window_size, compute_capability)
    height, width, _ = query.shape
    tiles = triton.cdiv(height, cut.tile_rows) * triton.cdiv(width, cut.tile_columns)
    tensors = {"query": query, "keys": keys, "values": values, "filled": filled, "read": read}
    constants = asdict(cut)
    return AttentionLaunch(
        plugin_kernel,
        (tiles, triton.cdiv(cut.value_channels, cut.value_block), 1),
        {**tensors, "height": height, "width": width},
        {name: constants[name] for name in plugin_kernel.arg_names if name in constants},
        choose_warps(cut),
        cut=cut,
    )


def compile_plugin(
    key_channels: int,
    value_channels: int,
    window_size: int,
    dtype: torch.dtype,
    compute_capability: int,
    oldest_ptx: int = OLDEST_PTX,
) -> CompiledKernel:
    """Compile the kernel for a chip, 87 for example, that need not be there.

    Args:
        oldest_ptx: version of PTX, 88 for 8.8, where the chip needs no later one.

    Raises:
        ValueError: blocks would need more shared memory than TensorRT gives them, or this release
            of Triton cannot compile it for that chip.
    """
    if not can_compile(compute_capability):
        raise ValueError(
            f"Triton {triton.__version__} cannot compile the plugin's kernel for sm_"
            f"{compute_capability}; install a newer PyTorch, or export with --operator tiled"
        )
    # No size is compiled in; these are as good as any.
    query, keys, values, read = (
        torch.empty(shape, dtype=dtype, device="meta")
        for shape in (
            (2, 2, key_channels),
            (2, 2, 2, key_channels),
            (2, 2, 2, value_channels),
            (2, 2, value_channels),
        )
    )
    filled = torch.empty(1, dtype=torch.int32, device="meta")
    launch = plugin_launch(query, keys, values, filled, read, window_size, compute_capability)
    ptx_version = PTX_VERSIONS.get(compute_capability, oldest_ptx)
    ptx_version = min(ptx_version, newest_ptx(compute_capability))
    compiled = compile_launch(launch, compute_capability, ptx_version=ptx_version)
    shared_memory = compiled.metadata.shared
    if shared_memory > DEFAULT_SHARED_MEMORY:
        raise ValueError(
            f"the plugin's kernel for Dk={key_channels}, Dv={value_channels} and "
            f"sm_{compute_capability} takes {shared_memory} bytes of shared memory, more than the "
            f"{DEFAULT_SHARED_MEMORY} that TensorRT gives; export with --operator tiled"
        )
    ptx = _without_scratch(compiled.asm["ptx"])
    return CompiledKernel(
        name=compiled.metadata.name,
        ptx=ptx,
        tile_rows=launch.cut.tile_rows,
        tile_columns=launch.cut.tile_columns,
        value_block=launch.cut.value_block,
        threads=32 * launch.warps,
        shared_memory=shared_memory,
    )


def can_compile(compute_capability: int) -> bool:
    """Whether this release of Triton can compile the plugin's kernel for a chip.

    On Hopper 3.2 would end the process, and it knows no later chip; 3.3 cannot convert to float16
    on Turing.
    """
    if triton.__version__.startswith("3.2."):
        return compute_capability < 90
    return compute_capability >= 80 or not triton.__version__.startswith("3.3.")


def class_plugin_kernels(compute_capability: int) -> Callable[[int, int, int, Any], Any]:
    """What `runtime.pytorch.tensorrt_plugin_v3` compiles its kernels with, for a chip."""
    import tensorrt as trt

    dtypes = {trt.float16: torch.float16, trt.float32: torch.float32}
    # The driver of JetPack 6 is one for CUDA 12.6; chips that PTX does not know came later.
    oldest_ptx = JETPACK_6_PTX if compute_capability < 100 else OLDEST_PTX

    def compile(
        key_channels: int, value_channels: int, window_size: int, dtype: Any
    ) -> CompiledKernel:
        return compile_plugin(
            key_channels, value_channels, window_size, dtypes[dtype], compute_capability, oldest_ptx
        )

    return compile


def _without_scratch(ptx: str) -> str:
    """The kernel without the two addresses that Triton's own launcher adds, and no one reads.

    Raises:
        RuntimeError: the kernel does read them, or has other parameters than expected.
    """
    wanted = len(PARAMETERS)
    pattern = r"(\.entry plugin_kernel\()(.*?)(\n\))"
    match = re.search(pattern, ptx, re.DOTALL)
    parameters = match[2].split(",") if match else []
    extra = [f"plugin_kernel_param_{index}" for index in range(wanted, len(parameters))]
    if len(parameters) < wanted or any(ptx.count(name) != 1 for name in extra):
        raise RuntimeError(
            f"expected a kernel that reads {wanted} parameters, got {len(parameters)}; this "
            f"release of Triton, {triton.__version__}, needs another way to make PTX"
        )
    kept = ",".join(parameters[:wanted])
    return re.sub(pattern, lambda found: found[1] + kept + found[3], ptx, flags=re.DOTALL)
