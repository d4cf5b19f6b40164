"""LMANet: clip and stream give the same, and a memory never makes the model depend on more."""

import pytest
import torch

from lmanet_core import ModelConfig, build_model
from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer


def small_model(**settings):
    torch.manual_seed(0)
    model = build_model(ModelConfig(window_size=5, **settings)).eval()
    # Random weights give tiny logits; unit ones make a tolerance of 1e-5 mean something.
    with torch.no_grad():
        scale = model(torch.rand(1, 2, 3, 64, 64)).std()
        model.decoder.output_conv.weight /= scale
        model.decoder.output_conv.bias /= scale
    return model


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
@torch.no_grad()
def test_streaming_over_a_clip_equals_the_clip_forward(frames):
    model = small_model()
    clips = torch.rand(2, frames, 3, 40, 64)
    store = RingBuffer(4)
    for index in range(frames):
        logits = model.step(clips[:, index], store)
    assert logits.shape == (2, 19, 40, 64)
    assert (logits - model(clips)).abs().max() < 1e-5


@torch.no_grad()
def test_stream_longer_than_the_memory_depends_on_the_last_frames_only():
    model = small_model()
    clip = torch.rand(1, 6, 3, 32, 32)
    store = RingBuffer(2)
    for index in range(6):
        logits = model.step(clip[:, index], store)
    assert (logits - model(clip[:, -3:])).abs().max() < 1e-5


@torch.no_grad()
def test_first_frame_is_segmented_by_encoder_and_decoder_alone():
    model = small_model()
    image = torch.rand(1, 3, 32, 32)
    expected = model.decoder(model.encoder(image))
    assert torch.equal(model.step(image, RingBuffer(4)), expected)
    assert torch.equal(model.step(image, None), expected)


@torch.no_grad()
def test_memory_changes_the_outcome():
    model = small_model()
    clip = torch.rand(1, 2, 3, 32, 32)
    assert (model(clip) - model(clip[:, 1:])).abs().max() > 1e-2


def test_memory_size_zero_is_the_plain_single_frame_network():
    model = small_model(memory_size=0)
    assert model.memory is None
    clip = torch.rand(1, 3, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(clip), model(clip[:, -1:]))


def test_gradients_reach_the_memory_modules_through_past_frames():
    model = small_model()
    model.encoder.requires_grad_(False)
    clips = torch.rand(1, 3, 3, 32, 32)
    model(clips).square().mean().backward()
    assert model.memory.heads.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.encoder.parameters())


def test_parameter_count_is_that_of_the_paper():
    # ERFNet has 2.06 M parameters (Romera et al., 2018).
    model = build_model(ModelConfig(memory_size=0))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(2.06e6, rel=0.01)


def test_unknown_backbone_is_explained():
    with pytest.raises(ValueError, match=r"backbone must be one of .*erfnet.*, got 'vgg'"):
        build_model(ModelConfig(backbone="vgg"))


def test_global_window_works():
    model = small_model()
    model.memory.window_size = None
    assert model(torch.rand(1, 3, 3, 32, 32)).shape == (1, 19, 32, 32)
