"""The TensorRT plugin, as far as it shows without a GPU: its kernel, and how it is started."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from export_cases import MEMORY_SIZE

pytest.importorskip("triton", reason="Triton is not installed")

from tensorrt_stand_in import Size, tensorrt_stand_in
from triton_interpreter import triton_interpreter

from lmanet_core.benchmark.cuda_compilation import CHIPS, assemble
from lmanet_core.export.plugin_kernel import (
    DEFAULT_SHARED_MEMORY,
    can_compile,
    compile_plugin,
    plugin_launch,
)
from lmanet_core.ops.reference import local_attention_reference

ERFNET = {"key_channels": 16, "value_channels": 64, "window_size": 21}


@pytest.fixture(scope="module")
def kernels():
    """The kernel of the ERFNet model, in half precision, for each chip."""
    made = {}

    def make(chip):
        if chip not in made:
            made[chip] = compile_plugin(**ERFNET, dtype=torch.float16, compute_capability=chip)
        return made[chip]

    return make


@pytest.mark.parametrize("chip", CHIPS)
def test_the_kernel_assembles_and_takes_what_tensorrt_passes(kernels, chip):
    if not can_compile(chip):
        with pytest.raises(ValueError, match="install a newer PyTorch"):
            kernels(chip)
        return
    kernel = kernels(chip)
    assemble(kernel.ptx)
    (parameters,) = re.findall(r"\.entry plugin_kernel\((.*?)\n\)", kernel.ptx, re.DOTALL)
    kinds = re.findall(r"\.param \.(u\d+)", parameters)
    # Addresses of the inputs, height and width, address of the output.
    assert kinds == ["u64"] * 4 + ["u32"] * 2 + ["u64"]
    assert kernel.shared_memory <= DEFAULT_SHARED_MEMORY
    assert f".reqntid {kernel.threads}" in kernel.ptx
    assert ".loc" not in kernel.ptx, "names of this machine's folders"


def test_the_kernel_assembles_in_single_precision():
    kernel = compile_plugin(**ERFNET, dtype=torch.float32, compute_capability=87)
    assemble(kernel.ptx)


def test_a_kernel_that_takes_too_much_shared_memory_is_refused():
    with pytest.raises(ValueError, match="export with --operator tiled"):
        compile_plugin(128, 2048, 21, torch.float16, 87)


def read_in_kernel(query, keys, values, filled):
    """Runs in the interpreter's process."""
    read = torch.full((*query.shape[:2], values.shape[-1]), float("nan"), dtype=query.dtype)
    filled = torch.tensor([filled], dtype=torch.int32)
    plugin_launch(query, keys, values, filled, read, window_size=3, compute_capability=80).run()
    return read


def test_the_kernel_reads_the_filled_slots_as_the_oracle_does():
    random = torch.Generator().manual_seed(0)

    def sample(*shape):
        return torch.randn(shape, generator=random)

    query, keys, values = sample(4, 5, 4), sample(3, 4, 5, 4), sample(3, 4, 5, 6)
    with triton_interpreter() as executor:
        for filled in (0, 2):
            read = executor.submit(read_in_kernel, query, keys, values, filled).result()
            some = max(filled, 1)
            expected = local_attention_reference(
                query[None].permute(0, 3, 1, 2),
                keys[None, :some].permute(0, 1, 4, 2, 3),
                values[None, :some].permute(0, 1, 4, 2, 3),
                3,
            )
            assert (read - expected[0].permute(1, 2, 0)).abs().max() < 1e-5


@pytest.fixture(scope="module")
def plugin():
    """What TensorRT makes of `lmanet_core.export.tensorrt_plugin`, with NVIDIA's Python on top."""
    with tensorrt_stand_in() as made:
        yield made


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_launch_arithmetic_is_that_of_the_kernels_own_grid(plugin, dtype):
    """For many sizes: shape, grid, block, shared memory and the numbers that are passed."""
    for height, width in ((1, 1), (8, 8), (9, 7), (64, 128), (65, 129), (256, 511)):
        size = Size(height, width, frames=MEMORY_SIZE, key_channels=16, value_channels=64)
        made = plugin.build(size, dtype, window_size=21, chip=87)
        tensors = (
            torch.empty(shape, dtype=getattr(torch, dtype), device="meta") for shape in size.inputs
        )
        filled, read = torch.empty(1), torch.empty(height, width, 64)
        launch = plugin_launch(*tensors, filled, read, window_size=21, compute_capability=87)
        assert made.output_shape == (height, width, 64)
        assert made.output_dtype == dtype
        assert made.grid == launch.grid
        assert made.block == (32 * launch.warps, 1, 1)
        assert made.numbers == (height, width)
        assert made.kernel_name == "plugin_kernel"
        assert 0 < made.shared_memory <= DEFAULT_SHARED_MEMORY


def test_tensorrt_10_3_accepts_the_plugin_and_is_told_to_start_the_kernels_own_grid():
    folder = Path(sys.prefix) / "tensorrt-10.3"
    if not folder.exists():
        pytest.skip("tensorrt-cu12-bindings==10.3.0 is not there; `make test` installs it")
    script = Path(__file__).with_name("tensorrt_10_3.py")
    command = [sys.executable, script, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "accepted"
