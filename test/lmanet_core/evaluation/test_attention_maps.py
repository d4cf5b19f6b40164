"""What is told about the memory's work is what it does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lmanet_core import ModelConfig, build_model
from lmanet_core.evaluation.attention_maps import (
    attention_error,
    attention_maps_at,
    attention_sheet,
)
from lmanet_core.ops import local_attention

SIZE = (64, 32)


def drawn(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)


@pytest.mark.parametrize("window_size", [3, None])
@torch.no_grad()
def test_weights_of_the_values_give_what_the_memory_reads(window_size: int | None) -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(memory_size=2, window_size=window_size)).eval()
    assert model.memory is not None
    past, frame = [drawn(0), drawn(1)], drawn(2)
    maps = attention_maps_at(model, frame, past, [(0, 0), (40, 20)])
    images = [torch.from_numpy(image).permute(2, 0, 1) / 255 for image in (*past, frame)]
    frames = model.memory.project(model.encoder(torch.stack(images)))
    values = frames.memory_value[None, :2]
    read = local_attention(frames.query_key[2:], frames.memory_key[None, :2], values, window_size)
    for attention, (row, column) in zip(maps, ((0, 0), (2, 5)), strict=True):
        weights = torch.from_numpy(attention.weights)
        expected = torch.einsum("shw,sdhw->d", weights, values[0])
        torch.testing.assert_close(expected, read[0, :, row, column], rtol=1e-4, atol=1e-5)
        assert attention.weights.sum() + attention.outside == pytest.approx(1, abs=1e-5)
        assert 0 < attention.gate < 1
    # A corner sees 4 of 9 cells.
    assert (maps[0].outside > 0.3) == (window_size == 3)
    assert maps[1].outside == 0


def test_a_sheet_has_a_row_for_each_place_and_a_column_for_each_frame() -> None:
    model = build_model(ModelConfig(memory_size=2, window_size=3)).eval()
    past, frame = {4: drawn(0), 6: drawn(1)}, drawn(2)
    maps = attention_maps_at(model, frame, list(past.values()), [(0, 0), (40, 20)])
    sheet = attention_sheet(frame, past, maps)
    one = attention_sheet(frame, past, maps[:1])
    assert sheet.shape[1] == one.shape[1] > 3 * 480
    assert sheet.shape[0] - one.shape[0] > 240


def test_a_frame_that_stands_still_is_read_where_it_is() -> None:
    model = build_model(ModelConfig(memory_size=2, window_size=5, key_form="located")).eval()
    assert model.memory is not None
    with torch.no_grad():
        # Nothing but nearness counts, down to a single place.
        model.memory.key_form.log_nearness.fill_(9)  # type: ignore[operator, union-attr]
    found = attention_error(model, drawn(0), drawn(0))
    assert found is not None
    assert found.moved < 0.1
    assert found.distance < 0.6


def test_a_network_without_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="no memory to look at"):
        attention_maps_at(
            build_model(ModelConfig(memory_size=0)).eval(), drawn(0), [drawn(1)], [(0, 0)]
        )
