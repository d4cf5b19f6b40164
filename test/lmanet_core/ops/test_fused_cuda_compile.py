"""The CUDA kernels compile for all chips and fit them; this needs no GPU."""

import re
import subprocess
import tempfile
from importlib.metadata import version
from typing import Any

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from lmanet_core.benchmark.cuda_compilation import (
    CHIPS,
    TOOLS,
    Resources,
    compile_for_chip,
    launches,
)
from lmanet_core.benchmark.ops_cases import ERFNET, OPERATING_POINTS
from lmanet_core.ops.implementations import fused_cuda
from lmanet_core.ops.implementations.attention_tensors import AttentionTensors
from lmanet_core.ops.implementations.fused_cuda_compile import compile_launch
from lmanet_core.ops.implementations.fused_cuda_tiles import MEASURED, Tiles

RELEASE = ".".join(version("triton").split(".")[:2])
SPILLED = {
    ("3.2", "erfnet", torch.float32, 87): 8,
    ("3.3", "pspnet", torch.float16, 120): 52,
    ("3.4", "pspnet", torch.float16, 75): 16,
    ("3.4", "pspnet", torch.float16, 120): 40,
    ("3.8", "pspnet", torch.float16, 75): 40,
    ("3.8", "erfnet", torch.float32, 87): 12,
}
"""Bytes of a thread's registers, where a release spills any."""


def disassemble(compiled: Any) -> str:
    """The instructions of a kernel that Triton compiled, as text."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        command = [str(TOOLS / "nvdisasm"), "-c", file.name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def lost_addresses(code: str) -> list[str]:
    """Instructions that give a factor of a matrix product another address than it has, on Hopper.

    Such an address is a number of 14 bits plus a constant of 64, so that the upper half of the
    constant is added to zero. The assembler of CUDA 12.8 takes another register now and then, that
    of the lower half or one that nothing was written to.
    """
    instructions = re.findall(r"^ +/\*[0-9a-f]{4,}\*/ +(.+?) ;", code, re.MULTILINE)
    lost = []
    for index, instruction in enumerate(instructions):
        added = re.match(r"UIADD3\.X UR\d+, (UR\d+), -?0x[0-9a-f]{8}, URZ, UP\d", instruction)
        if added is None:
            continue
        written = re.compile(rf"(@!?UP\d +)?[\w.]+ {added[1]},")
        before = [text for text in instructions[:index] if written.match(text)]
        if before[-1:] != [f"UMOV {added[1]}, URZ"]:
            lost.append(instruction)
    return lost


def assert_fit(point: str, dtype: torch.dtype, compute_capability: int) -> None:
    chip = CHIPS[compute_capability]
    spilled = SPILLED.get((RELEASE, point, dtype, compute_capability), 0)
    if compute_capability == 75 and RELEASE == "3.3":
        pytest.skip("Triton 3.3 cannot convert to float16 there; the tiled form takes over")
    if compute_capability >= 100 and RELEASE == "3.2":
        pytest.skip("Triton 3.2 knows no chip from sm_100 on; neither does its PyTorch")
    for name, launch in launches(OPERATING_POINTS[point], dtype, compute_capability).items():
        taken = compile_for_chip(launch, compute_capability)
        assert taken.spilled <= spilled, f"{name}: {taken}"
        assert taken.shared_memory <= chip.block_shared_memory, f"{name}: {taken}"
        assert taken.blocks_per_multiprocessor(chip) >= 1, f"{name}: {taken}"
        if compute_capability == 90:
            # Compiled above: this takes it from Triton's cache.
            assert not lost_addresses(disassemble(compile_launch(launch, compute_capability))), name


@pytest.mark.parametrize("point", OPERATING_POINTS)
@pytest.mark.parametrize("compute_capability", CHIPS)
def test_kernels_fit_every_chip(compute_capability, point):
    assert_fit(point, torch.float16, compute_capability)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_kernels_fit_orin_in_other_types(dtype):
    assert_fit("erfnet", dtype, 87)


def test_addresses_that_an_assembler_lost_are_found():
    # Of Triton 3.6: right, the register of the lower half, one that nothing was written to.
    zero, scalar = "UMOV UR5, URZ", "S2UR UR5, SR_CTAID.Z"
    add = "UIADD3.X UR15, UR5, -0x3ffffff0, URZ, UP0, !UPT"
    for before, lost in ((zero, []), (scalar, [add]), ("UMOV UR6, URZ", [add])):
        lines = (before, "UIADD3 UR14, UP0, UR5, 0x20, URZ", add)
        code = "\n".join(f"        /*{16 * n:04x}*/                   {line} ;"
                         for n, line in enumerate(lines))  # fmt: skip
        assert lost_addresses(code) == lost


def test_kernels_are_given_whole_blocks_of_channels(monkeypatch):
    cuts = []
    monkeypatch.setattr(fused_cuda.AttentionLaunch, "run", lambda launch: cuts.append(launch.cut))
    query, keys, values = (
        torch.zeros(shape, dtype=torch.float16)
        for shape in ((2, 33, 3, 4), (2, 1, 33, 3, 4), (2, 1, 20, 3, 4))
    )
    read, log_sum_exp = fused_cuda.forward(query, keys, values, 3)
    assert read.shape == (2, 20, 3, 4)
    gradients = fused_cuda.backward(
        read, AttentionTensors(query, keys, values, read, log_sum_exp), 3
    )
    assert [tensor.shape for tensor in gradients] == [query.shape, keys.shape, values.shape]
    assert {(cut.key_channels, cut.value_channels) for cut in cuts} == {(48, 32)}


def test_a_chip_that_was_measured_is_cut_as_measured(monkeypatch):
    monkeypatch.setitem(
        MEASURED, (87, ERFNET.key_channels, ERFNET.value_channels), Tiles(4, 16, 32, 8, 3)
    )
    launch = launches(ERFNET, torch.float16, 87)["forward"]
    assert (launch.cut.tile_rows, launch.cut.tile_columns, launch.cut.step) == (4, 16, 32)
    assert (launch.warps, launch.stages) == (8, 3)
    assert launch.grid == (16 * 8, 1, 1)
    # Measured in half precision.
    assert launches(ERFNET, torch.float32, 87)["forward"].cut.step == 16


def test_occupancy_is_that_of_the_scarcest_resource():
    few_registers = Resources(
        registers=32, spilled=0, shared_memory=0, tensor_memory=0, threads=128
    )
    orin = CHIPS[87]
    assert few_registers.occupancy(orin) == 1
    # 255 registers are 256, and 256 * 32 are an eighth of what a warp's scheduler has.
    many = Resources(registers=255, spilled=0, shared_memory=0, tensor_memory=0, threads=128)
    assert many.blocks_per_multiprocessor(orin) == 2
    large = Resources(
        registers=32, spilled=0, shared_memory=100 << 10, tensor_memory=0, threads=128
    )
    assert large.blocks_per_multiprocessor(orin) == 1
