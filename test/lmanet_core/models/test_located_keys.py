"""Where attention looks by keys that have a direction and a place."""

import math

import torch

from lmanet_core.models.located_keys import PERIOD, LocatedKeys
from lmanet_core.ops import local_attention


@torch.no_grad()
def test_products_follow_the_formula() -> None:
    form = LocatedKeys()
    form.log_sharpness.fill_(math.log(7.0))
    form.log_nearness.fill_(math.log(5.0))
    keys = torch.randn(1, 6, 9, 11)
    located = form(keys)
    assert located.shape == (1, 10, 9, 11)
    (row, column), (other_row, other_column) = (2, 3), (7, 10)
    one, other = keys[0, :, row, column], keys[0, :, other_row, other_column]
    turn = 2 * math.pi / PERIOD
    expected = 7 * torch.cosine_similarity(one, other, dim=0)
    expected += 5 * (math.cos(turn * (column - other_column)) + math.cos(turn * (row - other_row)))
    product = located[0, :, row, column] @ located[0, :, other_row, other_column]
    torch.testing.assert_close(product, expected)


@torch.no_grad()
def test_of_places_that_look_alike_the_near_one_is_read() -> None:
    form = LocatedKeys()
    keys = form(torch.ones(1, 4, 15, 15))
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
    form = LocatedKeys()
    looks = torch.randn(1, 16, 15, 15, generator=torch.Generator().manual_seed(0))
    values = torch.arange(15.0).expand(1, 1, 1, 15, 15).contiguous()
    before = form(looks.roll(-5, dims=3))[:, None]
    columns = local_attention(form(looks), before, values, window_size=13)
    expected = torch.arange(15.0).expand(15, 15) - 5
    error = (columns[0, 0] - expected)[4:11, 6:11].abs()
    assert error.median() < 0.2
