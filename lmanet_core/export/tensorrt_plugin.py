"""The node `com.lmanet::LocalAttention` for TensorRT: its shape, and a kernel made ahead of time.

The kernel's PTX becomes a part of the engine, which then runs without Python and without a library
of plugins. Import this module where TensorRT is to parse a graph with that node, only.
"""

# TensorRT reads the annotations as they are: strings, as `from __future__` makes them, are refused.

import tensorrt as trt
import tensorrt.plugin as trtp
import torch

from lmanet_core.export.attention_forms import OPERATOR, PLUGIN_NAMESPACE
from lmanet_core.export.plugin_kernel import compile_plugin

PLUGIN_ID = f"{PLUGIN_NAMESPACE}::{OPERATOR}"

_chip = 0
"""Compute capability to compile for, 87 for example; TensorRT passes none to the plugin."""


def compile_for(compute_capability: int) -> None:
    """Say which chip the engines that are built from now on are for."""
    global _chip
    _chip = compute_capability


@trtp.register(PLUGIN_ID)
def describe(
    query: trtp.TensorDesc,
    keys: trtp.TensorDesc,
    values: trtp.TensorDesc,
    filled: trtp.TensorDesc,
    window_size: int,
) -> trtp.TensorDesc:
    """(H, W, Dv), of the query's type."""
    height, width, _ = query.shape_expr
    return trtp.from_shape_expr((height, width, values.shape_expr[3]), dtype=query.dtype)


@trtp.aot_impl(PLUGIN_ID)
def implement(
    query: trtp.TensorDesc,
    keys: trtp.TensorDesc,
    values: trtp.TensorDesc,
    filled: trtp.TensorDesc,
    window_size: int,
    outputs: tuple[trtp.TensorDesc],
    tactic: int,
) -> tuple[str | bytes, str | bytes, trtp.KernelLaunchParams, trtp.SymExprs]:
    """The kernel's name and PTX, how it is started, and the numbers among its arguments."""
    dtype = {trt.float16: torch.float16, trt.float32: torch.float32}[query.dtype]
    kernel = compile_plugin(query.shape[2], values.shape[3], window_size, dtype, _chip)
    height, width = query.shape_expr[0], query.shape_expr[1]
    launch = trtp.KernelLaunchParams()
    grid = kernel.grid(height, width, values.shape[3], trtp.cdiv)
    launch.grid_x, launch.grid_y, launch.grid_z = grid
    launch.block_x = kernel.threads
    launch.shared_mem = kernel.shared_memory
    numbers = trtp.SymIntExprs(2)
    numbers[0], numbers[1] = trtp.SymInt32(height), trtp.SymInt32(width)
    return kernel.name, kernel.ptx, launch, numbers
