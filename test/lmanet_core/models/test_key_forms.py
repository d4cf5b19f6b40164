"""Where attention looks by keys that have a direction, a place and a quality."""

import math

import pytest
import torch
from torch import Tensor

from lmanet_core.models import build_model
from lmanet_core.models.key_forms import PERIOD, LocatedKeys
from lmanet_core.network.model_config import LARGEST_LOCATED_WINDOW, ModelConfig
from lmanet_core.ops import local_attention

CHANNELS = 8


def located(form: LocatedKeys, keys: Tensor) -> Tensor:
    """Keys to read with, of a frame like any other."""
    features = torch.ones(len(keys), CHANNELS, *keys.shape[2:])
    return form(keys, keys, form.quality(features))[0]


@torch.no_grad()
def test_products_follow_the_formula() -> None:
    form = LocatedKeys(CHANNELS).eval()
    form.log_sharpness.fill_(math.log(7.0))
    form.log_nearness.fill_(math.log(5.0))
    form.quality.bias.fill_(1.5)
    keys, features = torch.randn(1, 6, 9, 11), torch.rand(1, CHANNELS, 9, 11)
    query, memory = form(keys, keys, form.quality(features))
    assert query.shape == memory.shape == (1, 11, 9, 11)
    (row, column), (other_row, other_column) = (2, 3), (7, 10)
    one, other = keys[0, :, row, column], keys[0, :, other_row, other_column]
    turn = 2 * math.pi / PERIOD
    expected = 7 * torch.cosine_similarity(one, other, dim=0) + 3
    expected += 5 * (math.cos(turn * (column - other_column)) + math.cos(turn * (row - other_row)))
    product = query[0, :, row, column] @ memory[0, :, other_row, other_column]
    torch.testing.assert_close(product, expected)


@torch.no_grad()
def test_neighbours_are_told_apart_in_mixed_precision() -> None:
    """Beside the keys of places, what tells one from the next is small."""
    form = LocatedKeys(CHANNELS).eval()
    keys = torch.ones(1, 4, 40, 40)
    exact = located(form, keys)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = located(form, keys.bfloat16())
    for one in (exact, mixed):
        product = one[0, :, 20, 20] @ (one[0, :, 20, 20] - one[0, :, 20, 21])
        # A normal distribution with a deviation of 1.5 cells.
        assert product.item() == pytest.approx(1 / (2 * 1.5**2), rel=0.01)


@torch.no_grad()
def test_in_the_largest_window_the_nearer_place_is_always_the_better_one() -> None:
    model = build_model(ModelConfig(key_form="located", window_size=LARGEST_LOCATED_WINDOW))
    assert model.memory is not None
    assert model.memory.window_size == 63
    keys = located(LocatedKeys(CHANNELS).eval(), torch.ones(1, 4, 1, 32))[0, :, 0]
    scores = keys[:, 0] @ keys
    assert (scores[1:] < scores[:-1]).all()


@torch.no_grad()
def test_only_the_direction_of_a_key_counts_however_short_it_is() -> None:
    form = LocatedKeys(CHANNELS).eval()
    keys = torch.randn(1, 6, 9, 11)
    torch.testing.assert_close(located(form, 0.01 * keys), located(form, keys))
    nothing = located(form, torch.zeros(1, 6, 9, 11))
    assert not nothing[:, :6].any()


@torch.no_grad()
def test_of_places_that_look_alike_the_near_one_is_read() -> None:
    keys = located(LocatedKeys(CHANNELS).eval(), torch.ones(1, 4, 15, 15))
    values = torch.arange(15.0).expand(1, 1, 1, 15, 15).contiguous()
    columns = local_attention(keys, keys[:, None], values, window_size=13)
    inner = slice(4, 11)
    expected = torch.arange(15.0).expand(15, 15)
    torch.testing.assert_close(
        columns[0, 0, inner, inner], expected[inner, inner], atol=0.05, rtol=0
    )


@torch.no_grad()
def test_what_looks_alike_is_read_wherever_it_went() -> None:
    """Five cells to the right, among places that look different."""
    form = LocatedKeys(CHANNELS).eval()
    looks = torch.randn(1, 16, 15, 15, generator=torch.Generator().manual_seed(0))
    values = torch.arange(15.0).expand(1, 1, 1, 15, 15).contiguous()
    before = located(form, looks.roll(-5, dims=3))[:, None]
    columns = local_attention(located(form, looks), before, values, window_size=13)
    expected = torch.arange(15.0).expand(15, 15) - 5
    error = (columns[0, 0] - expected)[4:11, 6:11].abs()
    assert error.median() < 0.2


@torch.no_grad()
def test_of_frames_that_show_the_same_the_better_one_is_read() -> None:
    form = LocatedKeys(CHANNELS).eval()
    # Worse frames have smaller features here.
    form.quality.weight[:CHANNELS] = 0.5
    keys = torch.randn(2, 4, 7, 7)[:1].expand(2, -1, -1, -1)
    features = torch.stack([torch.full((CHANNELS, 7, 7), share) for share in (0.1, 0.6)])
    query, memory = form(keys, keys, form.quality(features))
    values = torch.stack([torch.zeros(1, 7, 7), torch.ones(1, 7, 7)])
    read = local_attention(query[:1], memory[None], values[None], window_size=3)
    # 8 channels, better by 0.5 each, as a difference of logits.
    torch.testing.assert_close(read, torch.full_like(read, 4.0).sigmoid(), atol=1e-2, rtol=0)
