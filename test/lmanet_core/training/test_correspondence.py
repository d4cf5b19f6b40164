"""The loss that knows where places were."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from lmanet_core import ModelConfig, build_model
from lmanet_core.evaluation.reading import SOFTENING
from lmanet_core.training.clips import watch
from lmanet_core.training.correspondence import correspondence_loss

CELLS = 1
"""By which the picture moves to the left from frame to frame."""


def moving_clip(frames: int = 3) -> Tensor:
    """(1, T, 3, 64, 96) uint8, a picture with texture on every scale."""
    random = np.random.default_rng(0)
    picture = np.zeros((64, 160, 3), np.float32)
    for size in (3, 6, 12):
        texture = random.normal(0, 40, (size, 3 * size, 3)).astype(np.float32)
        picture += cv2.resize(texture, (160, 64), interpolation=cv2.INTER_CUBIC)
    images = np.clip(picture + 128, 0, 255).astype(np.uint8)
    clip = [images[:, 8 * CELLS * time : 8 * CELLS * time + 96] for time in range(frames)]
    return torch.from_numpy(np.stack(clip)).permute(0, 3, 1, 2)[None].contiguous()


def loss_of(model, images: Tensor) -> Tensor:
    return correspondence_loss(model.memory, watch(model, images.float() / 255, "last"), images)


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
    images = moving_clip()
    optimizer = torch.optim.Adam(model.memory.heads.parameters(), 1e-2)
    losses = []
    for _ in range(35):
        loss = loss_of(model, images)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]


def test_a_first_frame_teaches_nothing() -> None:
    assert loss_of(model_of(), moving_clip(1)) == 0
