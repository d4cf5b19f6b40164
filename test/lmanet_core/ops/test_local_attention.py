"""Local attention: the oracle against the equation, the fast form against the oracle."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lmanet_core.ops import functional, implementation_choice, local_attention, local_correlation
from lmanet_core.ops.implementation_choice import choose_classification, choose_implementation

fast_forms = pytest.mark.parametrize("implementation", ["tiled", "fused"])


def random_inputs(
    batch: int = 1,
    frames: int = 2,
    key_channels: int = 4,
    value_channels: int = 6,
    height: int = 9,
    width: int = 11,
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)

    def sample(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=random)

    return (
        sample(batch, key_channels, height, width),
        sample(batch, frames, key_channels, height, width),
        sample(batch, frames, value_channels, height, width),
    )


def attention_at(
    query: Tensor, keys: Tensor, values: Tensor, window_size: int, row: int, column: int
) -> list[float]:
    """The equation at one location of the first stream, in plain Python."""
    radius = window_size // 2
    height, width = query.shape[-2:]
    weights, reads = [], []
    for frame in range(keys.shape[1]):
        for y in range(row - radius, row + radius + 1):
            for x in range(column - radius, column + radius + 1):
                inside = 0 <= y < height and 0 <= x < width
                score = float(query[0, :, row, column] @ keys[0, frame, :, y, x]) if inside else 0.0
                weights.append(math.exp(score))
                reads.append(values[0, frame, :, y, x].tolist() if inside else None)
    total = sum(weights)
    return [
        sum(w * read[c] for w, read in zip(weights, reads, strict=True) if read) / total
        for c in range(values.shape[2])
    ]


@pytest.mark.parametrize("implementation", ["reference", "tiled", "fused"])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 5), (8, 10), (3, 0)])
def test_follows_the_equation_also_at_the_border(implementation, row, column):
    query, keys, values = random_inputs()
    read = local_attention(query, keys, values, 5, implementation=implementation)
    expected = attention_at(query, keys, values, 5, row, column)
    assert read[0, :, row, column].tolist() == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(
    batch=st.integers(1, 3),
    frames=st.integers(1, 5),
    key_channels=st.integers(1, 8),
    value_channels=st.integers(1, 8),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    window_size=st.sampled_from([1, 3, 7, 21]),
    seed=st.integers(0, 1000),
)
def test_fast_forms_equal_the_oracle(window_size, **shape):
    inputs = random_inputs(**shape)
    expected = local_attention(*inputs, window_size, implementation="reference")
    for implementation in ("tiled", "fused"):
        read = local_attention(*inputs, window_size, implementation=implementation)
        assert torch.allclose(read, expected, atol=1e-12)


@fast_forms
def test_single_precision_is_within_1e_5_of_the_oracle_in_double(implementation):
    query, keys, values = random_inputs(1, 4, 16, 64, 20, 30)
    query, keys = query / 2, keys / 2
    expected = local_attention(query, keys, values, 21, implementation="reference")
    inputs = query.float(), keys.float(), values.float()
    read = local_attention(*inputs, 21, implementation=implementation)
    assert (read - expected).abs().max() < 1e-5


@fast_forms
@pytest.mark.parametrize("window_size", [1, 3, 7])
def test_gradients_pass_gradcheck(implementation, window_size):
    def attend(*inputs):
        return local_attention(*inputs, window_size, implementation=implementation)

    inputs = [tensor.requires_grad_() for tensor in random_inputs(1, 2, 2, 3, 4, 9)]
    assert torch.autograd.gradcheck(attend, inputs)


@fast_forms
def test_large_scores_do_not_overflow(implementation):
    query, keys, values = random_inputs()
    # Scores of some +-100, and of a few times that.
    query, keys = 10 * query, 10 * keys
    expected = local_attention(query, keys, values, 7, implementation="reference")
    inputs = query.float(), keys.float(), values.float()
    read = local_attention(*inputs, 7, implementation=implementation)
    assert (read - expected).abs().max() < 1e-3


@fast_forms
def test_lowest_scores_outside_of_the_image_do_not_overflow(implementation):
    query, keys, values = (tensor.float() for tensor in random_inputs(height=3, width=3))
    inputs = query.abs() * 30, -keys.abs() * 30, values
    read = local_attention(*inputs, 7, implementation=implementation)
    # The padding has score 0, everything else far less.
    assert read.abs().max() < 1e-5


@fast_forms
def test_can_be_trained_after_inference_mode(implementation):
    inputs = random_inputs(seed=3)
    with torch.inference_mode():
        local_attention(*inputs, 9, implementation=implementation)
    inputs[0].requires_grad_()
    local_attention(*inputs, 9, implementation=implementation).sum().backward()
    assert inputs[0].grad is not None


def test_global_form_attends_to_everything_with_scaled_scores():
    query, keys, values = random_inputs(key_channels=4)
    read = local_attention(query, keys, values, None)
    scores = torch.einsum("dhw,tdyx->hwtyx", query[0], keys[0]) / 2
    probabilities = scores.flatten(2).softmax(-1).view_as(scores)
    expected = torch.einsum("hwtyx,tdyx->dhw", probabilities, values[0])
    assert torch.allclose(read[0], expected)


@pytest.mark.parametrize("window_size", [5, None])
def test_order_of_frames_does_not_matter(window_size):
    query, keys, values = random_inputs(frames=3)
    order = [2, 0, 1]
    read = local_attention(query, keys, values, window_size)
    assert torch.allclose(
        local_attention(query, keys[:, order], values[:, order], window_size), read
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q, k, v: (q[0], k, v, 3), r"expected query \(B, Dk, H, W\)"),
        (lambda q, k, v: (q, k, v[0], 3), "values must be"),
        (lambda q, k, v: (q, k[:, :, :2], v, 3), "keys must be"),
        (lambda q, k, v: (q, k, v[..., :2], 3), "values must be"),
        (lambda q, k, v: (q, k[:, :0], v[:, :0], 3), "nothing to read"),
        (lambda q, k, v: (q, k.float(), v, 3), "one dtype"),
        (lambda q, k, v: (q, k, v.to("meta"), 3), "one device"),
        (lambda q, k, v: (q, k, v, 4), "must be odd"),
        (lambda q, k, v: (q, k, v, -1), "must be odd"),
    ],
)
def test_wrong_arguments_are_explained(change, message):
    with pytest.raises(ValueError, match=message):
        local_attention(*change(*random_inputs()))


def test_unknown_implementation_is_explained():
    with pytest.raises(ValueError, match="implementation must be one of"):
        local_attention(*random_inputs(), 3, implementation="magic")


def test_a_missing_kernel_is_explained():
    inputs = (tensor.half() for tensor in random_inputs())
    with pytest.raises(ValueError, match="no fused kernel for"):
        local_attention(*inputs, 3, implementation="fused")


@fast_forms
def test_autocast_brings_the_inputs_to_one_dtype(implementation):
    query, keys, values = random_inputs()
    with torch.autocast("cpu", torch.bfloat16):
        read = local_attention(
            query.bfloat16(), keys.float(), values, 5, implementation=implementation
        )
    assert read.dtype == torch.bfloat16
    expected = local_attention(query, keys, values, 5, implementation="reference")
    assert (read - expected).abs().max() < 5e-2


def test_correlation_is_the_score_at_each_displacement():
    query, keys, _ = random_inputs(batch=2, frames=3)
    scores = local_correlation(query, keys, 5)
    assert scores.shape == (2, 3, 25, 9, 11)
    row, column, dy, dx = 4, 6, -2, 1
    expected = query[1, :, row, column] @ keys[1, 2, :, row + dy, column + dx]
    assert torch.isclose(scores[1, 2, (dy + 2) * 5 + dx + 2, row, column], expected)
    assert (scores[:, :, :10, 0] == 0).all(), "rows above the image"


def test_correlation_explains_wrong_arguments():
    query, keys, _ = random_inputs()
    with pytest.raises(ValueError, match="must be odd"):
        local_correlation(query, keys, 2)
    with pytest.raises(ValueError, match="keys must be"):
        local_correlation(query[:, :1], keys, 3)


def test_labels_of_double_precision_are_left_to_pytorch():
    assert choose_classification(torch.device("cpu"), torch.float64).name == "plain"


@pytest.mark.parametrize(
    ("choose", "instead"), [(choose_implementation, "tiled"), (choose_classification, "plain")]
)
def test_a_cuda_kernel_that_does_not_work_is_found_out_once_and_gives_way(choose, instead):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device, on which it works")
    device = torch.device("cuda", 0)
    with pytest.warns(RuntimeWarning, match="without the fused CUDA kernel") as warned:
        choices = {choose(device, torch.float16) for _ in range(3)}
    ((name, reason),) = choices
    assert name == instead
    assert len(warned) == 1
    # What failed, and how to mend it.
    assert "Triton" in reason
    assert "install" in reason


def test_a_backward_pass_that_does_not_work_is_found_out_by_those_who_need_it(monkeypatch):
    def fail(*_):
        raise RuntimeError("ptxas\nout of registers")

    monkeypatch.setattr(implementation_choice, "find_spec", lambda name: name)
    monkeypatch.setitem(implementation_choice.TRIALS, "local attention", lambda *_: True)
    monkeypatch.setitem(implementation_choice.TRIALS, "gradients of local attention", fail)
    elsewhere = torch.device("cuda", 1), torch.bfloat16
    assert choose_implementation(*elsewhere).name == "fused"
    with pytest.warns(RuntimeWarning, match="without the fused .* out of reg") as warned:
        choices = {choose_implementation(*elsewhere, gradients=True) for _ in range(3)}
    assert [name for name, _ in choices] == ["tiled"]
    assert len(warned) == 1

    there = partial(choose_implementation, *elsewhere)
    monkeypatch.setattr(functional, "choose_implementation", lambda *_, **asked: there(**asked))
    inputs = random_inputs()
    local_attention(*inputs, 3, implementation="fused")
    inputs[2].requires_grad_()
    with torch.no_grad():
        local_attention(*inputs, 3, implementation="fused")
    with pytest.raises(ValueError, match="out of registers"):
        local_attention(*inputs, 3, implementation="fused")
    local_attention(*inputs, 3).sum().backward()
    assert inputs[2].grad is not None
