"""The loss that asks predictions to follow the motion."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_correspondence_loss import moving_clip

from lmanet_core import ModelConfig, build_model
from lmanet_core.data.data_config import DataConfig
from lmanet_core.training.stage_module import StageModule
from lmanet_core.training.temporal_consistency_loss import temporal_consistency_loss
from lmanet_core.training.training_config import StageConfig, TrainingConfig, TrainingError

PARTS = ("encoder", "decoder")
STAGE = StageConfig(
    name="steady",
    trains=PARTS,
    data=DataConfig("synthetic", clips="street", frames=2),
    batch_size=1,
    steps=1,
    supervise="all",
    temporal_consistency=1.0,
    fixed_statistics=PARTS,
    dropout=False,
)
SINGLE = ModelConfig(backbone="efficientnet_lite0", memory_size=0)


def moving_labels(columns: int, moved: int) -> torch.Tensor:
    """(1, 3, 2, 16, columns), halves whose border moves by so many cells a frame."""
    frames = []
    for time in range(3):
        right = (torch.arange(columns) >= columns // 2 - moved * time).float().expand(16, columns)
        frames.append(torch.stack([1 - right, right]))
    return torch.stack(frames)[None]


def test_what_follows_the_motion_costs_nothing_and_what_does_not_does() -> None:
    images = moving_clip()
    # The picture moves by 8 pixels, cells are 4 pixels wide.
    following = temporal_consistency_loss(moving_labels(24, 2), images).item()
    staying = temporal_consistency_loss(moving_labels(24, 0), images).item()
    backwards = temporal_consistency_loss(moving_labels(24, -2), images).item()
    assert following < 0.3 * staying
    assert staying < backwards
    # Wherever a place is seen twice, and nowhere else, all that could change has changed.
    flickering = torch.eye(2)[[0, 1, 0]][None, :, :, None, None].expand(1, 3, 2, 16, 24)
    assert temporal_consistency_loss(flickering, images).item() == pytest.approx(2)
    still = images[:, :1].expand_as(images)
    assert temporal_consistency_loss(moving_labels(24, 0), still).item() == pytest.approx(
        0, abs=1e-6
    )
    assert temporal_consistency_loss(moving_labels(24, 0)[:, :1], images[:, :1]).item() == 0


def test_a_single_frame_network_learns_it_without_labels() -> None:
    torch.manual_seed(0)
    model = build_model(SINGLE)
    model.decoder.classifier.weight.data *= 1e4
    module = StageModule(model, STAGE, torch.ones(19), 1, 1, 0)
    images = moving_clip(2)
    no_labels = torch.full((1, 2, 64, 96), 255, dtype=torch.uint8)
    loss = module.loss(images, no_labels)
    assert loss.item() > 0
    loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())
    weighed = StageModule(model, replace(STAGE, temporal_consistency=3.0), torch.ones(19), 1, 1, 0)
    assert weighed.loss(images, no_labels).item() == pytest.approx(3 * loss.item(), rel=1e-4)


def test_clips_without_memory_are_for_steadiness_alone() -> None:
    TrainingConfig(SINGLE, (STAGE,))
    with pytest.raises(TrainingError, match="need a memory, or temporal_consistency"):
        TrainingConfig(SINGLE, (replace(STAGE, temporal_consistency=0.0),))
    with pytest.raises(
        TrainingError, match=r"temporal_consistency is for clips of data\.frames 2 or more"
    ):
        replace(STAGE, data=DataConfig("synthetic", clips="street", frames=1))
