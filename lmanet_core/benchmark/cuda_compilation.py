"""Compiles the CUDA kernels for chips that need not be there, and reads what the assembler says."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import triton
from torch import Tensor

from lmanet_core.benchmark.ops_cases import Size
from lmanet_core.ops.implementations.attention_tensors import AttentionTensors
from lmanet_core.ops.implementations.fused_cuda import (
    AttentionLaunch,
    backward_launches,
    forward_launch,
)
from lmanet_core.ops.implementations.fused_cuda_compile import compile_launch
from lmanet_core.ops.implementations.triton_launch import Launch

REGISTERS = 65536
"""32-bit registers of a multiprocessor, on all chips below; one scheduler has a quarter."""
TENSOR_MEMORY = 512
"""Columns of a multiprocessor's tensor memory, where there is one."""


TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
"""NVIDIA's, of the release that Triton brings."""


@dataclass(frozen=True)
class Chip:
    """Limits of a multiprocessor and, at the end, of a block on it; memory in bytes.

    Source: CUDA Programming Guide, "Compute Capabilities".
    """

    name: str
    threads: int
    blocks: int
    shared_memory: int
    block_shared_memory: int
    reserved_per_block: int = 1024


CHIPS = {
    75: Chip("T4, RTX 20", 1024, 16, 64 << 10, 64 << 10, reserved_per_block=0),
    80: Chip("A100", 2048, 32, 164 << 10, 163 << 10),
    86: Chip("RTX 30", 1536, 16, 100 << 10, 99 << 10),
    87: Chip("Jetson Orin", 1536, 16, 164 << 10, 163 << 10),
    89: Chip("RTX 40", 1536, 24, 100 << 10, 99 << 10),
    90: Chip("H100", 2048, 32, 228 << 10, 227 << 10),
    100: Chip("B200", 2048, 32, 228 << 10, 227 << 10),
    110: Chip("Jetson Thor", 1536, 24, 228 << 10, 227 << 10),
    120: Chip("RTX 50", 1536, 24, 100 << 10, 99 << 10),
}
"""Chips by compute capability: 87 is 8.7."""


def launches(size: Size, dtype: torch.dtype, compute_capability: int) -> dict[str, AttentionLaunch]:
    """All kernels, forward and backward, by name, on tensors that have no data."""
    query = _tensor(size, size.key_channels, dtype)
    keys = _tensor(size, size.key_channels, dtype, size.frames)
    values = _tensor(size, size.value_channels, dtype, size.frames)
    read = _tensor(size, size.value_channels, dtype)
    log_sum_exp = torch.empty(1, size.height, size.width, device="meta")
    tensors = AttentionTensors(query, keys, values, read, log_sum_exp)
    forward = forward_launch(tensors, size.window_size, compute_capability)
    backward = backward_launches(read, tensors, tensors[:3], size.window_size, compute_capability)
    return {_name(launch): launch for launch in (forward, *backward)}


def _tensor(size: Size, channels: int, dtype: torch.dtype, *frames: int) -> Tensor:
    """(1, *frames, channels, height, width), channels last."""
    shape = (1, *frames, size.height, size.width, channels)
    return torch.empty(shape, dtype=dtype, device="meta").movedim(-1, -3)


@dataclass(frozen=True)
class Resources:
    """What a block of a compiled kernel takes: registers of a thread, memory in bytes."""

    registers: int
    spilled: int
    shared_memory: int
    tensor_memory: int
    threads: int

    def blocks_per_multiprocessor(self, chip: Chip) -> int:
        """How many blocks run side by side."""
        warps = self.threads // 32
        warp_registers = -(-self.registers * 32 // 256) * 256
        scheduler_warps = REGISTERS // 4 // warp_registers
        limits = [
            chip.blocks,
            chip.threads // self.threads,
            4 * scheduler_warps // warps,
            chip.shared_memory // (self.shared_memory + chip.reserved_per_block),
        ]
        if self.tensor_memory:
            limits.append(TENSOR_MEMORY // self.tensor_memory)
        return min(limits)

    def occupancy(self, chip: Chip) -> float:
        """Threads that run over threads that could, 0..1."""
        return self.blocks_per_multiprocessor(chip) * self.threads / chip.threads


def compile_for_chip(launch: Launch, compute_capability: int) -> Resources:
    """Compile and assemble a kernel; needs no GPU.

    Raises:
        RuntimeError: the assembler refuses what the compiler made.
    """
    compiled = compile_launch(launch, compute_capability)
    log = assemble(compiled.asm["ptx"])
    return Resources(
        registers=_figure(log, r"Used (\d+) registers"),
        spilled=_figure(log, r"(\d+) bytes spill stores"),
        shared_memory=compiled.metadata.shared,
        # Releases before 3.3 know no chip that has such memory.
        tensor_memory=getattr(compiled.metadata, "tmem_size", 0) or 0,
        threads=32 * compiled.metadata.num_warps,
    )


def assemble(ptx: str) -> str:
    """What the assembler that comes with Triton says of a kernel.

    Raises:
        RuntimeError: it refuses it.
    """
    (chip,) = re.findall(r"^\.target (\w+)", ptx, re.MULTILINE)
    # That of the newest chips knows the others, too.
    newest = TOOLS / "ptxas-blackwell"
    with tempfile.TemporaryDirectory() as made:
        source = Path(made) / "kernel.ptx"
        source.write_text(ptx)
        ptxas = newest if newest.exists() else TOOLS / "ptxas"
        command = [str(ptxas), "-v", f"-arch={chip}", str(source)]
        done = subprocess.run(
            [*command, "-o", f"{source}.cubin"], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise RuntimeError(f"the assembler refuses the kernel for {chip}: {done.stderr}")
    return done.stderr


def _name(launch: Launch) -> str:
    parts = [name.removeprefix("of_") for name in ("of_keys", "of_values")
             if launch.constants.get(name)]  # fmt: skip
    name = launch.kernel.__name__.removesuffix("_kernel")
    return name.replace("memory", "_".join(parts))


def _figure(log: str, pattern: str) -> int:
    match = re.search(pattern, log)
    if match is None:
        raise RuntimeError(f"the assembler's log has no {pattern!r}: {log!r}")
    return int(match[1])
