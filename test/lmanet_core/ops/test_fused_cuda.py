"""The CUDA kernels against the oracle in double precision, in an interpreter and on a GPU."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from triton_interpreter import triton_interpreter

from lmanet_core.ops.implementation_choice import TRIALS
from lmanet_core.ops.implementations.attention_tensors import AttentionTensors
from lmanet_core.ops.reference import local_attention_reference

fused_cuda = pytest.importorskip(
    "lmanet_core.ops.implementations.fused_cuda", reason="Triton is not installed"
)

Kernels = Callable[..., tuple[list[Tensor], list[Tensor]]]

TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 2e-2}
SIZES = {
    "one_position": (1, 1, 1, 1, 1, 1),
    "same_location_only": (1, 2, 3, 5, 5, 9),
    "odd_channels_two_streams": (2, 2, 5, 7, 3, 9),
    "five_frames": (1, 5, 4, 6, 5, 6),
    "several_tiles": (1, 1, 16, 8, 9, 10),
    "several_channel_blocks": (1, 1, 70, 80, 4, 5),
    "window_larger_than_image": (1, 1, 4, 4, 5, 6),
}
"""B, S, Dk, Dv, H, W"""
WINDOWS = dict(zip(SIZES, (3, 1, 3, 3, 7, 3, 21), strict=True))


def evaluate(
    query: Tensor, keys: Tensor, values: Tensor, grad_read: Tensor, window_size: int
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """What the kernels make of it: read, log-sum-exp and gradients."""
    read, log_sum_exp = fused_cuda.forward(query, keys, values, window_size)
    tensors = AttentionTensors(query, keys, values, read, log_sum_exp)
    gradients = fused_cuda.backward(grad_read, tensors, window_size)
    return read, log_sum_exp, gradients


@pytest.fixture(scope="module")
def interpreter():
    with triton_interpreter() as executor:
        yield executor


@pytest.fixture(
    params=["interpreter", pytest.param("gpu", marks=pytest.mark.gpu)],
)
def run(request, interpreter):
    """Calls a function of this file where the kernels run."""
    if request.param == "interpreter":
        return lambda function, *arguments: interpreter.submit(function, *arguments).result()
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return lambda function, *arguments: to_device(function(*to_device(arguments, "cuda")), "cpu")


def try_as(computed: str, like: Tensor) -> bool:
    return TRIALS[computed](like.device, like.dtype)


def to_device(tree, device):
    """Tensors in nested tuples on another device, with their strides."""
    if isinstance(tree, tuple):
        return tuple(to_device(branch, device) for branch in tree)
    if not isinstance(tree, Tensor):
        return tree
    storage = tree.untyped_storage()
    whole = torch.empty(0, dtype=tree.dtype, device=tree.device).set_(storage).to(device)
    return whole.as_strided(tree.shape, tree.stride(), tree.storage_offset())


def random_inputs(
    batch: int, frames: int, key_channels: int, value_channels: int, height: int, width: int
) -> list[Tensor]:
    """query, keys, values and a gradient of what is read, channels last."""
    random = torch.Generator().manual_seed(frames)

    def sample(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=random).movedim(-1, -3)

    return [
        sample(batch, height, width, key_channels) / key_channels**0.5,
        sample(batch, frames, height, width, key_channels),
        sample(batch, frames, height, width, value_channels),
        sample(batch, height, width, value_channels),
    ]


def oracle(
    query: Tensor, keys: Tensor, values: Tensor, grad_read: Tensor, window_size: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    inputs = [tensor.double().requires_grad_() for tensor in (query, keys, values)]
    read = local_attention_reference(*inputs, window_size)
    return read.detach(), torch.autograd.grad(read, inputs, grad_read.double())


def assert_follows_the_oracle(run, inputs: list[Tensor], window_size: int) -> None:
    tolerance = TOLERANCE[inputs[0].dtype]
    read, _, gradients = run(evaluate, *inputs, window_size)
    expected, expected_gradients = oracle(*inputs, window_size)
    assert read.dtype == inputs[0].dtype
    assert (read - expected).abs().max() < tolerance
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        scale = max(1.0, float(expected_gradient.abs().max()))
        assert (gradient - expected_gradient).abs().max() < tolerance * scale


@pytest.mark.parametrize("sizes", SIZES)
def test_follows_the_oracle_in_single_precision(run, sizes):
    inputs = [tensor.float() for tensor in random_inputs(*SIZES[sizes])]
    assert_follows_the_oracle(run, inputs, WINDOWS[sizes])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("sizes", "window_size"),
    [((1, 2, 5, 20, 6, 9), 21), ((2, 1, 16, 64, 9, 7), 7), ((1, 1, 130, 260, 3, 4), 3)],
)
def test_follows_the_oracle_in_half_precision(run, dtype, sizes, window_size):
    inputs = [tensor.to(dtype) for tensor in random_inputs(*sizes)]
    assert_follows_the_oracle(run, inputs, window_size)


def test_channels_may_come_first(run):
    inputs = [tensor.half().contiguous() for tensor in random_inputs(1, 2, 4, 6, 9, 10)]
    assert_follows_the_oracle(run, inputs, 3)


def test_gradients_have_the_strides_of_what_they_belong_to(run):
    inputs = [tensor.half() for tensor in random_inputs(1, 2, 5, 20, 6, 9)]
    for given in (inputs, [tensor.contiguous() for tensor in inputs]):
        _, _, gradients = run(evaluate, *given, 3)
        for gradient, tensor in zip(gradients, given[:3], strict=True):
            assert gradient.stride() == torch.empty_like(tensor).stride()


def test_gradient_may_be_one_number_for_all(run):
    query, keys, values, grad_read = (t.half() for t in random_inputs(1, 2, 4, 6, 5, 6))
    grad_read = torch.ones((), dtype=torch.float16).expand_as(grad_read)
    assert_follows_the_oracle(run, [query, keys, values, grad_read], 3)


def test_memory_may_be_filled_in_part(run):
    query, keys, values, grad_read = (t.half() for t in random_inputs(2, 4, 4, 6, 5, 6))
    keys[:, 3:], values[:, 3:] = float("nan"), float("nan")
    assert_follows_the_oracle(run, [query, keys[:, :3], values[:, :3], grad_read], 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_scores_of_a_hundred_do_not_overflow(run, dtype):
    query, keys, values, grad_read = random_inputs(1, 2, 2, 3, 5, 6)
    inputs = [(10 * query.sign()), (10 * keys.sign()), values, grad_read]
    inputs = [tensor.to(dtype) for tensor in inputs]
    read, log_sum_exp, gradients = run(evaluate, *inputs, 3)
    expected, _ = oracle(*inputs, 3)
    assert (read - expected).abs().max() < TOLERANCE[dtype]
    assert all(tensor.isfinite().all() for tensor in (log_sum_exp, *gradients))


def test_log_sum_exp_counts_what_lies_outside_of_the_image(run):
    inputs = [torch.zeros_like(tensor).half() for tensor in random_inputs(1, 2, 3, 4, 5, 6)]
    _, log_sum_exp, _ = run(evaluate, *inputs, 7)
    assert torch.allclose(log_sum_exp, torch.tensor(2 * 7 * 7.0).log())


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_value_that_is_no_number_reaches_those_who_see_it_and_no_one_else(run, poison):
    inputs = [tensor.half() for tensor in random_inputs(1, 2, 4, 20, 9, 10)]
    clean, _ = oracle(*inputs, 5)
    inputs[2][0, 1, 17, 4, 6] = poison
    read, _, _ = run(evaluate, *inputs, 5)
    seen = torch.zeros(clean.shape, dtype=torch.bool)
    seen[0, 17, 2:7, 4:9] = True
    assert read.isnan().equal(seen)
    assert (read - clean)[~seen].abs().max() < 2e-2


@pytest.mark.parametrize("which", ["query", "keys"])
def test_nan_in_a_score_reaches_those_who_score_it_and_no_one_else(run, which):
    inputs = [tensor.half() for tensor in random_inputs(1, 1, 4, 3, 9, 11)]
    seen = torch.zeros(9, 11, dtype=torch.bool)
    if which == "query":
        inputs[0][0, 2, 4, 6] = float("nan")
        seen[4, 6] = True
    else:
        inputs[1][0, 0, 2, 4, 6] = float("nan")
        seen[3:6, 5:8] = True
    read, _, _ = run(evaluate, *inputs, 3)
    assert read.isnan().equal(seen.expand_as(read))


def test_what_is_read_has_its_channels_last(run):
    inputs = [tensor.half() for tensor in random_inputs(1, 1, 4, 6, 5, 6)]
    read, _, _ = run(evaluate, *inputs, 3)
    assert read.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("computed", TRIALS)
def test_what_is_tried_before_a_kernel_is_used_comes_out_right(run, computed):
    for dtype in TOLERANCE:
        assert run(try_as, computed, torch.empty(0, dtype=dtype))
