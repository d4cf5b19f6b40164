"""The loss that knows where places were."""

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from lmanet_core import LMANet, ModelConfig, build_model, load
from lmanet_core.evaluation.attention_distance import SOFTENING
from lmanet_core.models import LocalMemory
from lmanet_core.models.memory import Projection
from lmanet_core.training.clip_forward import EncodedClips, encode_clips
from lmanet_core.training.correspondence_loss import correspondence_loss

CELLS = 1
"""By which the picture moves to the left from frame to frame."""


def moving_clip(frames: int = 3, size: tuple[int, int] = (64, 96), cells: int = CELLS) -> Tensor:
    """(1, T, 3, H, W) uint8, a picture with texture on every scale."""
    random = np.random.default_rng(0)
    height, width = size
    whole = (width + 64, height)
    picture = np.zeros((*whole[::-1], 3), np.float32)
    for patches in (3, 6, 12):
        texture = random.normal(0, 40, (patches, 3 * patches, 3)).astype(np.float32)
        picture += cv2.resize(texture, whole, interpolation=cv2.INTER_CUBIC)
    images = np.clip(picture + 128, 0, 255).astype(np.uint8)
    clip = [images[:, 8 * cells * time : 8 * cells * time + width] for time in range(frames)]
    return torch.from_numpy(np.stack(clip)).permute(0, 3, 1, 2)[None].contiguous()


def loss_of(model, images: Tensor) -> Tensor:
    return correspondence_loss(
        model.memory, encode_clips(model, images.float() / 255, "last"), images
    )


def model_of(**settings):
    torch.manual_seed(0)
    config = ModelConfig(
        "efficientnet_lite0", memory_size=2, window_size=9, value_channels=None, **settings
    )
    return build_model(config).eval()


def test_attention_at_the_place_itself_is_wrong_by_how_far_it_moved() -> None:
    model = model_of(key_form="located", key_channels=21, fusion="blend")
    with torch.no_grad():
        # Nothing but nearness counts, down to a single place.
        model.memory.key_form.log_sharpness.fill_(-9)
        model.memory.key_form.log_nearness.fill_(9)
    one_back = loss_of(model, moving_clip(2))
    torch.testing.assert_close(
        one_back, torch.tensor(math.hypot(CELLS, SOFTENING) / 4), rtol=0.03, atol=0
    )


def test_what_it_teaches_is_to_look_where_places_were() -> None:
    model = model_of(key_form="located", key_channels=21, fusion="blend")
    model.encoder.requires_grad_(False)
    images = moving_clip()
    optimizer = torch.optim.Adam(model.memory.heads.parameters(), 3e-2)
    losses = []
    for _ in range(12):
        loss = loss_of(model, images)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.87 * losses[0]


def test_a_first_frame_teaches_nothing() -> None:
    assert loss_of(model_of(), moving_clip(1)) == 0


def test_looking_where_places_were_costs_nothing_and_elsewhere_by_how_far_it_is() -> None:
    # A step to the left from frame to frame: what is here now was one cell to the right.
    images = moving_clip(2)
    assert loss_of_looking(CELLS, images) == pytest.approx(SOFTENING / 4, rel=0.1)
    wrong = math.hypot(2 * CELLS, SOFTENING) / 4
    assert loss_of_looking(-CELLS, images) == pytest.approx(wrong, rel=0.05)


def test_what_the_other_frame_does_not_show_does_not_count() -> None:
    """The last column, which came into view: where attention looks there is all the same."""
    images = moving_clip(2)
    there = loss_of_looking(CELLS, images, of_last_column=-1)
    assert there == pytest.approx(loss_of_looking(CELLS, images))


def test_what_moved_beyond_the_window_does_not_count() -> None:
    images = moving_clip(2, (128, 192), cells=2)
    assert loss_of_looking(0, images, window_size=5) > 0
    assert loss_of_looking(0, images, window_size=3) == 0


def loss_of_looking(
    cells: int, images: Tensor, *, of_last_column: int | None = None, window_size: int = 9
) -> float:
    """Of attention that looks so many cells to the right of each place, at one past frame."""
    rows, columns = (torch.arange(side // 8) / 8 for side in images.shape[-2:])
    aims = columns + cells / 8
    if of_last_column is not None:
        aims[-1] = columns[-1] + of_last_column / 8
    query, keys = (
        40
        * torch.stack(
            [
                part
                for side in torch.meshgrid(rows, x, indexing="ij")
                for part in (side.cos(), side.sin())
            ]
        )[None]
        for x in (aims, columns)
    )
    frame = Projection(query, query, keys, keys, query)
    encoded = EncodedClips({1: query}, {0: frame, 1: frame}, {1: [0]})
    memory = LocalMemory(4, 4, None, window_size, fusion="blend")
    return correspondence_loss(memory, encoded, images).item()


def test_it_teaches_the_same_in_mixed_precision() -> None:
    """With the shipped network on a map so large that coordinates are no small numbers."""
    model = load("street").eval()
    model.encoder.requires_grad_(False)
    images = moving_clip(2, (256, 384))
    losses, gradients = zip(*(taught(model, images, mixed) for mixed in (False, True)), strict=True)
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98


def taught(model: LMANet, images: Tensor, mixed: bool) -> tuple[float, Tensor]:
    """The loss, and what it teaches the keys."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        loss = loss_of(model, images)
    loss.backward()
    parts = [p.grad.flatten() for p in model.memory.parameters() if p.grad is not None]
    return loss.item(), torch.cat(parts)
