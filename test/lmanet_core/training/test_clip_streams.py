"""Clips in training against the same frames one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from lmanet_core import LMANet, ModelConfig, build_model
from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer
from lmanet_core.training.clip_forward import fuse_corrupted_clips, stream


def small_model(**settings: Any) -> LMANet:
    torch.manual_seed(0)
    return build_model(replace(ModelConfig(), memory_size=3, window_size=3, **settings)).eval()


@pytest.mark.parametrize(
    "settings",
    [{}, {"write_before_read": True}, {"memory_policy": "every_nth"}, {"memory_policy": "random"}],
    ids=str,
)
def test_clips_give_what_the_network_gives_step_by_step(settings: dict[str, Any]) -> None:
    model = small_model(**settings)
    clips = torch.rand(2, 5, 3, 16, 24)
    store = RingBuffer(model.config.memory_size, model.config.write_interval)
    with torch.inference_mode():
        logits = stream(model, clips).unflatten(0, (2, 5))
        last = stream(model, clips, "last")
        for now in range(5):
            torch.testing.assert_close(logits[:, now], model.step(clips[:, now], store))
    torch.testing.assert_close(last, logits[:, -1])


def test_without_memory_frames_are_segmented_alone() -> None:
    model = build_model(replace(ModelConfig(), memory_size=0)).eval()
    clips = torch.rand(2, 1, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(stream(model, clips), model.step(clips[:, 0], None))


def test_gradients_flow_into_the_frames_in_memory_but_not_into_a_frozen_encoder() -> None:
    model = small_model()
    model.encoder.requires_grad_(False)
    assert model.memory is not None
    stream(model, torch.rand(1, 2, 3, 16, 16), "last").sum().backward()
    gradient = model.memory.heads.weight.grad
    assert gradient is not None
    assert all(side.abs().sum() > 0 for side in gradient.chunk(2))
    assert all(parameter.grad is None for parameter in model.encoder.parameters())


def test_a_frozen_encoder_sees_all_frames_once_and_keeps_no_graph() -> None:
    model = small_model()
    model.encoder.requires_grad_(False)
    seen = []
    model.encoder.register_forward_hook(
        lambda module, inputs, features: seen.append((len(inputs[0]), features.requires_grad))
    )
    stream(model, torch.rand(2, 4, 3, 16, 16))
    assert seen == [(8, False)]


def test_restored_features_come_with_the_clean_frames_that_they_belong_to() -> None:
    model = small_model()
    clips = torch.rand(2, 3, 3, 16, 16)
    with torch.inference_mode():
        restored, clean = fuse_corrupted_clips(model, clips, torch.zeros_like(clips), "last")
        torch.testing.assert_close(clean, clips[:, -1])
        assert restored.shape == model.encoder(clean).shape
        other, _ = fuse_corrupted_clips(model, clips, torch.ones_like(clips), "last")
        assert not torch.equal(restored, other)
        every, clean = fuse_corrupted_clips(model, clips, clips)
        assert len(every) == 4, "all but the first frame, which has no memory"
        torch.testing.assert_close(clean[2], clips[0, 2])
