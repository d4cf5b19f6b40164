"""The fused CPU kernel: layouts, partial memory, instruction sets, number formats, threads."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lmanet_core.kernel import library
from lmanet_core.ops import local_attention
from lmanet_core.ops.implementations import fused_cpu
from lmanet_core.ops.implementations.attention_tensors import AttentionTensors

INSTRUCTION_SETS = fused_cpu.INSTRUCTION_SETS[
    : fused_cpu.INSTRUCTION_SETS.index(fused_cpu.best_instruction_set()) + 1
]


def random_tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_inputs(frames: int = 2, height: int = 7, width: int = 18) -> tuple[Tensor, ...]:
    return (
        random_tensor(1, 6, height, width, seed=1),
        random_tensor(1, frames, 6, height, width, seed=2) / 2,
        random_tensor(1, frames, 10, height, width, seed=3),
    )


def channels_last(tensor: Tensor) -> Tensor:
    """The same numbers, channels innermost in memory."""
    return tensor.movedim(-3, -1).contiguous().movedim(-1, -3)


def gradients(inputs: tuple[Tensor, ...], window_size: int, implementation: str) -> list[Tensor]:
    """Of a weighted sum of what was read."""
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]
    read = local_attention(*leaves, window_size, implementation=implementation)
    weights = random_tensor(*read.shape, seed=4).to(read.dtype)
    return list(torch.autograd.grad(read, leaves, weights))


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max())


@settings(deadline=None, max_examples=25)
@given(
    batch=st.integers(1, 2),
    slots=st.integers(1, 5),
    filled=st.integers(1, 5),
    key_channels=st.integers(1, 20),
    value_channels=st.integers(1, 40),
    size=st.tuples(st.integers(1, 12), st.integers(1, 40)),
    window_size=st.sampled_from([1, 3, 5, 7, 21]),
    layouts=st.tuples(*[st.booleans()] * 3),
    seed=st.integers(0, 100),
)
def test_any_shape_layout_and_fill_in_single_precision(
    batch, slots, filled, key_channels, value_channels, size, window_size, layouts, seed
):
    inputs = (
        random_tensor(batch, key_channels, *size, seed=seed),
        random_tensor(batch, slots, key_channels, *size, seed=seed + 1) / key_channels**0.5,
        random_tensor(batch, slots, value_channels, *size, seed=seed + 2),
    )
    query, keys, values = (
        channels_last(tensor) if innermost else tensor
        for tensor, innermost in zip(inputs, layouts, strict=True)
    )
    inputs = query, keys[:, :filled], values[:, :filled]
    doubles = tuple(tensor.double() for tensor in inputs)
    expected = local_attention(*doubles, window_size, implementation="reference")
    read = local_attention(*inputs, window_size, implementation="fused")
    assert (read - expected).abs().max() < 1e-5
    for actual, exact in zip(
        gradients(inputs, window_size, "fused"),
        gradients(doubles, window_size, "reference"),
        strict=True,
    ):
        assert (actual - exact).abs().max() < 1e-4


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("window_size", [1, 3, 9])
def test_all_instruction_sets_agree(instruction_set, window_size):
    inputs = random_inputs()
    doubles = tuple(tensor.double() for tensor in inputs)
    expected = local_attention(*doubles, window_size, implementation="reference")
    read, log_sum_exp = fused_cpu.forward(*inputs, window_size, instruction_set)
    assert (read - expected).abs().max() < 1e-5
    weights = random_tensor(*read.shape, seed=4)
    tensors = AttentionTensors(*inputs, read, log_sum_exp)
    grads = fused_cpu.backward(weights, tensors, window_size, instruction_set)
    for actual, exact in zip(grads, gradients(doubles, window_size, "reference"), strict=True):
        assert relative_error(actual, exact) < 1e-5


@pytest.mark.parametrize("channels", [(1, 1), (5, 7), (16, 64), (22, 66)])
@pytest.mark.parametrize("window_size", [1, 3, 5, 21])
def test_bfloat16_is_right_to_its_own_precision(channels, window_size):
    """Whether numbers are multiplied one by one or in pairs, of which some stay incomplete."""
    for (height, width), innermost in (((3, 1), True), ((7, 18), False), ((4, 37), True)):
        query, keys, values = (
            random_tensor(*shape, height, width, seed=width).bfloat16()
            for shape in ((2, channels[0]), (2, 2, channels[0]), (2, 2, channels[1]))
        )
        inputs = query, keys, values  # unscaled: some weights are negligible, maxima rise
        if innermost:
            inputs = tuple(map(channels_last, inputs))
        doubles = tuple(tensor.double() for tensor in inputs)
        expected = local_attention(*doubles, window_size, implementation="reference")
        for instruction_set in INSTRUCTION_SETS:
            read, log_sum_exp = fused_cpu.forward(*inputs, window_size, instruction_set)
            assert read.dtype == torch.bfloat16
            assert relative_error(read, expected) < 1e-2, instruction_set
            assert log_sum_exp.isfinite().all()


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_bfloat16_is_rounded_not_cut_off(instruction_set):
    """Weights as well as results: what is cut off would make all results smaller."""
    query, keys, _ = (tensor.bfloat16() for tensor in random_inputs(height=16, width=40))
    values = (1 + random_tensor(1, 2, 10, 16, 40, seed=3).sigmoid()).bfloat16()
    doubles = (query.double(), keys.double(), values.double())
    expected = local_attention(*doubles, 5, implementation="reference")
    read, _ = fused_cpu.forward(query, keys, values, 5, instruction_set)
    error = read / expected - 1
    # Rounding errs by 2^-9 at most, cutting off by 2^-8 in the mean of these.
    assert error.mean().abs() < 3e-4
    assert error.abs().max() < 2**-7


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_fits_worst_is_not_read_however_much_of_it_there_is(instruction_set, dtype):
    query = torch.ones(1, 1, 21, 21, dtype=dtype)
    keys = torch.zeros(1, 4, 1, 21, 21, dtype=dtype)
    values = torch.full((1, 4, 8, 21, 21), 1e4, dtype=dtype)
    keys[0, 2, :, 10, 10] = 40.0
    values[0, 2, :, 10, 10] = 1.0
    read, log_sum_exp = fused_cpu.forward(query, keys, values, 21, instruction_set)
    # All see the one that fits, whose weight is e^40 times that of any other.
    assert (read == 1).all()
    assert (log_sum_exp - 40).abs().max() < 1e-4


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_fits_little_is_read_where_there_is_much_of_it(instruction_set, dtype):
    """Rows of the memory are left out only where they could not be seen in the result."""
    query = torch.ones(1, 1, 21, 21, dtype=dtype)
    keys = torch.full((1, 4, 1, 21, 21), 72.0, dtype=dtype)
    values = torch.full((1, 4, 8, 21, 21), 100.0, dtype=dtype)
    keys[0, 2, :, 10, 10] = 80.0
    values[0, 2, :, 10, 10] = 1.0
    read, _ = fused_cpu.forward(query, keys, values, 21, instruction_set)
    doubles = (query.double(), keys.double(), values.double())
    expected = local_attention(*doubles, 21, implementation="reference")
    assert expected.min() > 10
    assert relative_error(read, expected) < (1e-2 if dtype == torch.bfloat16 else 1e-4)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_gradients_in_bfloat16(instruction_set):
    inputs = tuple(tensor.bfloat16() for tensor in random_inputs())
    read, log_sum_exp = fused_cpu.forward(*inputs, 9, instruction_set)
    weights = random_tensor(*read.shape, seed=4).bfloat16()
    tensors = AttentionTensors(*inputs, read, log_sum_exp)
    grads = fused_cpu.backward(weights, tensors, 9, instruction_set)
    doubles = tuple(tensor.double() for tensor in inputs)
    for actual, exact in zip(grads, gradients(doubles, 9, "reference"), strict=True):
        assert actual.dtype == torch.bfloat16
        assert relative_error(actual, exact) < 2e-2


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("window_size", [3, 21])
def test_scores_of_any_magnitude_and_sign(instruction_set, window_size):
    """Small ones need no maximum; large ones may all be negative, or be those of some rows only."""
    query, keys, values = random_inputs(height=11, width=37)
    opposite = -query[:, None].expand_as(keys) * 20
    uneven = keys.clone()
    uneven[:, 1, :, 4:6] *= 40
    for other_keys in (keys * 30, opposite, uneven, keys * 1e-3):
        inputs = query, other_keys, values
        expected = local_attention(
            *(tensor.double() for tensor in inputs), window_size, implementation="reference"
        )
        read, log_sum_exp = fused_cpu.forward(*inputs, window_size, instruction_set)
        assert relative_error(read, expected) < 1e-4
        assert log_sum_exp.isfinite().all()


def test_a_processor_whose_products_differ_computes_in_single_precision(monkeypatch):
    assert library.agree("emulated_bf16", "baseline")
    number = library.INSTRUCTION_SETS.index("avx512_bf16")
    processor = SimpleNamespace(lmanet_best_instructions=lambda: number)
    monkeypatch.setattr(library, "_loaded", lambda: processor)
    choose = library.best_instruction_set.__wrapped__
    monkeypatch.setattr(library, "agree", lambda *names: True)
    assert choose() == "avx512_bf16"
    monkeypatch.setattr(library, "agree", lambda *names: False)
    with pytest.warns(RuntimeWarning, match="computes it in float32"):
        assert choose() == "avx512"


def test_a_partly_filled_memory_is_not_copied_and_the_rest_is_not_read():
    query, keys, values = random_inputs(frames=4)
    expected = local_attention(query, keys[:, :2].clone(), values[:, :2].clone(), 7)
    keys[:, 2:] = values[:, 2:] = float("nan")
    assert torch.equal(local_attention(query, keys[:, :2], values[:, :2], 7), expected)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tensor", ["query", "keys", "values"])
def test_nan_comes_out_exactly_where_it_was_read(instruction_set, dtype, tensor):
    query, keys, values = (tensor.to(dtype) for tensor in random_inputs(height=12, width=30))
    row, column, radius = 5, 13, 3
    spoilt = {"query": query, "keys": keys[0], "values": values[0]}[tensor]
    spoilt[0, 0 if tensor != "query" else slice(None), row, column] = float("nan")
    read, _ = fused_cpu.forward(query, keys, values, 2 * radius + 1, instruction_set)
    expected = torch.zeros(12, 30, dtype=torch.bool)
    reach = 0 if tensor == "query" else radius
    rows = slice(row - reach, row + reach + 1)
    expected[rows, column - reach : column + reach + 1] = True
    channel = read[0, 0].isnan()
    assert torch.equal(channel, expected)


def test_result_is_channels_last_as_convolutions_like_it():
    read = local_attention(*random_inputs(), 7, implementation="fused")
    assert read.is_contiguous(memory_format=torch.channels_last)


def test_threads_are_those_of_pytorch():
    script = (
        "import os, torch\n"
        "from lmanet_core.ops import local_attention\n"
        "torch.set_num_threads(3)\n"
        "torch.randn(1 << 20).exp()\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "inputs = torch.randn(1, 4, 32, 64), torch.randn(1, 2, 4, 32, 64)\n"
        "local_attention(*inputs, inputs[1], 9, implementation='fused')\n"
        "print(before, len(os.listdir('/proc/self/task')))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    before, after = map(int, result.stdout.split())
    assert before == after


def test_number_of_threads_does_not_change_the_result():
    inputs = random_inputs(height=20)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = local_attention(*inputs, 9, implementation="fused")
        torch.set_num_threads(3)
        together = local_attention(*inputs, 9, implementation="fused")
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(alone, together)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_labels_and_confidence_are_those_of_the_softmax(instruction_set, dtype):
    """In rows longer than a piece, and of no whole vectors; whatever the strides."""
    logits = (3 * torch.randn(2, 19, 5, 301)).to(dtype)
    logits[:, 4] = logits[:, 7]  # equals: the first one
    for strided in (logits, logits.contiguous(memory_format=torch.channels_last)):
        labels, confidence = fused_cpu.classify(
            strided, confidence=True, instruction_set=instruction_set
        )
        assert torch.equal(labels.long(), logits.float().argmax(1))
        expected = 255 * logits.float().softmax(1).amax(1)
        assert (confidence - expected).abs().max() < 0.501
    assert fused_cpu.classify(logits, confidence=False)[1] is None
    logits[0, 3, 2, 100] = torch.nan
    labels, confidence = fused_cpu.classify(logits, confidence=True)
    assert confidence[0, 2, 100] == 0
    assert torch.equal(labels[1].long(), logits[1].float().argmax(0)), "and no other pixel's"


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_labels_of_small_logits_are_those_of_interpolated_ones(instruction_set, dtype):
    """In sizes that are multiples and others, larger than a piece, and of any strides."""
    logits = (3 * random_tensor(2, 19, 9, 70, seed=5)).to(dtype)
    logits[:, 4] = logits[:, 7]  # equals: the first one
    other = pixels = 0
    for size, corners_aligned in (((36, 280), False), ((65, 553), True), ((11, 71), False)):
        large = torch.nn.functional.interpolate(
            logits.float(), size, mode="bilinear", align_corners=corners_aligned
        )
        best, expected = large.max(1)
        certainty = 255 * large.double().softmax(1).amax(1)
        for strided in (logits, logits.contiguous(memory_format=torch.channels_last)):
            labels, confidence = fused_cpu.classify(
                strided, size, corners_aligned, confidence=True, instruction_set=instruction_set
            )
            of_labels = large.gather(1, labels.long()[:, None])[:, 0]
            assert (best - of_labels).max() < 1e-5, "another label only within rounding"
            assert (confidence - certainty).abs().max() < 0.502
            other += int((labels != expected).sum())
            pixels += labels.numel()
    assert other <= 1e-4 * pixels, f"{other} of {pixels}"


def test_without_the_library_the_tiled_form_takes_over_and_says_so_once(tmp_path):
    package = Path(fused_cpu.__file__).parents[2]
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "weights")
    shutil.copytree(package, tmp_path / "lmanet_core", ignore=ignored)
    script = (
        "import torch\n"
        "from lmanet_core.ops import local_attention\n"
        "inputs = torch.randn(1, 4, 9, 9), torch.randn(1, 2, 4, 9, 9)\n"
        "for _ in range(3):\n"
        "    read = local_attention(*inputs, inputs[1], 5)\n"
        "tiled = local_attention(*inputs, inputs[1], 5, implementation='tiled')\n"
        "assert torch.equal(read, tiled)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(re.findall(r"without its C\+\+ kernel", result.stderr)) == 1
    assert "compiler" in result.stderr
