"""The ablations of the paper: each is a setting, and each does what it says."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from lmanet_core import ModelConfig, build_model, load, open_segmenter, save_checkpoint
from lmanet_core.models.fusion import (
    BlendFusion,
    BottleneckFusion,
    ConcatenationFusion,
    GatedFusion,
    ResidualFusion,
)
from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer


def build(**settings):
    torch.manual_seed(0)
    return build_model(ModelConfig(**{"window_size": 5} | settings)).eval()


def stream(model, clip, store):
    for index in range(clip.shape[1]):
        logits = model.step(clip[:, index], store)
    return logits


@pytest.mark.parametrize("memory_size", [0, 1, 20])
def test_memory_size_at_inference_may_differ_from_training(memory_size):
    segmenter = open_segmenter(build(memory_size=4), memory_size=memory_size)
    images = np.random.default_rng(0).integers(0, 256, (22, 16, 16, 3), dtype=np.uint8)
    for image in images:
        segmenter.step(image)
    assert segmenter.backend.filled == memory_size


@pytest.mark.parametrize("window_size", [1, 11, 21, 41, None])
@torch.no_grad()
def test_every_window_reads_what_its_formula_says(window_size):
    model = build(window_size=window_size)
    query, keys, values = (
        torch.randn(1, 16, 6, 7),
        torch.randn(2, 16, 6, 7),
        torch.randn(2, 64, 6, 7),
    )
    frame = model.memory.project(torch.randn(1, 128, 6, 7))._replace(query_key=query)
    half = 0 if window_size is None else window_size // 2
    scores, candidates = [], []
    for key, value in zip(keys, values, strict=True):
        if window_size is None:
            # All positions are candidates of every position.
            scores.append(torch.einsum("chw,cn->nhw", query[0], key.flatten(1)) / 16**0.5)
            candidates.append(value.flatten(1).T[:, :, None, None].expand(-1, -1, 6, 7))
        else:
            shape = (-1, window_size**2, 6, 7)
            unfolded = functional.unfold(key[None], window_size, padding=half).view(shape)
            scores.append((query[0, :, None] * unfolded).sum(0))
            unfolded = functional.unfold(value[None], window_size, padding=half).view(shape)
            candidates.append(unfolded.transpose(0, 1))
    weights = torch.cat(scores).softmax(0)
    read = (weights[:, None] * torch.cat(candidates)).sum(0)[None]
    expected = model.memory.fusion(frame.query_value, read)
    result = model.memory.read_and_fuse(frame, keys[None], values[None])
    assert torch.allclose(result, expected, atol=1e-4)


def randomise(norm):
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    norm.weight.data.normal_()
    norm.bias.data.normal_()


def batch_norm(x, norm):
    scaled = (x - norm.running_mean[:, None, None]) / (
        norm.running_var[:, None, None] + 1e-3
    ).sqrt()
    return scaled * norm.weight[:, None, None] + norm.bias[:, None, None]


@torch.no_grad()
def test_concatenation_follows_its_formula():
    fusion = ConcatenationFusion(4, 8).eval()
    randomise(fusion.bn)
    query, read = torch.randn(2, 1, 4, 3, 5)
    expected = batch_norm(torch.cat([query, read], 1), fusion.bn).relu()
    assert torch.allclose(fusion(query, read), expected, atol=1e-5)


@torch.no_grad()
def test_bottleneck_follows_its_formula():
    fusion = BottleneckFusion(8, 8).eval()
    randomise(fusion.bn)
    randomise(fusion.out_bn)
    query, read = torch.randn(2, 1, 8, 3, 5)

    def pointwise(x, layer, channels):
        weight = layer.weight[channels, :, 0, 0]
        return torch.einsum("oc,bchw->bohw", weight, x) + layer.bias[channels, None, None]

    every = slice(None)
    down = pointwise(query, fusion.down, every) + pointwise(read, fusion.down, every)
    narrow = batch_norm(down, fusion.bn).relu()
    expected = pointwise(narrow, fusion.gate, slice(0, 8)).sigmoid() * query
    expected = expected + pointwise(narrow, fusion.gate, slice(8, 16)).sigmoid() * read
    expected = batch_norm(expected, fusion.out_bn).relu()
    assert torch.allclose(fusion(query, read), expected, atol=1e-5)


@torch.no_grad()
def test_blend_lies_between_the_features_and_what_was_read():
    fusion = BlendFusion(8, 8).eval()
    features, read = torch.rand(2, 1, 8, 3, 5)
    # Before it has learned.
    assert torch.allclose(fusion(features, read, features), 0.7 * features + 0.3 * read, atol=1e-6)
    torch.nn.init.normal_(fusion.gate.weight)
    gate = fusion.memory_gate(features, read)
    assert gate.std() > 0.01
    expected = (1 - gate) * features + gate * read
    assert torch.allclose(fusion(features, read, features), expected, atol=1e-6)
    # The brighter a frame, the better: what is worse than what was read lets more in.
    fusion.quality.weight.fill_(1.0)
    better = read + 1
    assert (fusion.memory_gate(features, better) > 0.9).all()
    assert (fusion.memory_gate(better, features) < 0.1).all()


@pytest.mark.parametrize("kind", [GatedFusion, BottleneckFusion, ResidualFusion])
@torch.no_grad()
def test_what_was_read_comes_through_the_memory_s_gate(kind):
    fusion = kind(8, 8).eval()
    features, read, other = torch.rand(3, 1, 8, 3, 5)
    layer = fusion.gate_and_correction if kind is ResidualFusion else fusion.gate
    of_memory = slice(0, 8) if kind is ResidualFusion else slice(8, 16)
    layer.weight[of_memory] = 0
    if kind is ResidualFusion:
        layer.weight[8:].normal_()
    else:
        layer.weight[:8] = 0
    for bias, open_share in ((-30, 0.0), (30, 1.0)):
        layer.bias[of_memory] = bias
        gate = fusion.memory_gate(features, read)
        torch.testing.assert_close(gate, torch.full_like(gate, open_share))
        fused = fusion(features, read, features)
        assert torch.allclose(fused, fusion(features, other, features), atol=1e-6) != open_share


@torch.no_grad()
def test_without_gates_the_memory_always_comes_through():
    assert (ConcatenationFusion(4, 8).memory_gate(*torch.rand(2, 1, 4, 3, 5)) == 1).all()


@pytest.mark.parametrize(
    ("fusion", "value_channels"),
    [
        ("gated", 64),
        ("gated", None),
        ("concatenation", 64),
        ("bottleneck", 128),
        ("bottleneck", None),
        ("blend", None),
    ],
)
@torch.no_grad()
def test_every_fusion_trains_streams_and_is_saved(fusion, value_channels, tmp_path):
    model = build(fusion=fusion, value_channels=value_channels)
    clip = torch.rand(1, 3, 3, 16, 24)
    logits = model(clip)
    assert (stream(model, clip, RingBuffer(2)) - logits).abs().max() < 1e-5
    save_checkpoint(model, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    assert torch.equal(loaded(clip), logits)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        ("concatenation", "expected value_channels 64 for 128 feature channels, got 32"),
        (
            "bottleneck",
            "expected value_channels 128, as many as the features have, or null; got 32",
        ),
        ("blend", "expected value_channels null, got 32 for 128 feature channels"),
    ],
)
def test_values_that_do_not_fit_the_fusion_are_explained(fusion, message):
    with pytest.raises(ValueError, match=message):
        build(fusion=fusion, value_channels=32)


@pytest.mark.parametrize(
    ("settings", "remembered"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"memory_policy": "every_nth", "memory_interval": 2}, [0, 2, 4]),
        ({"memory_policy": "every_nth", "memory_interval": 3}, [0, 3]),
        ({"memory_policy": "random"}, [0, 1, 2, 3, 4]),
    ],
    ids=["every", "every second", "every third", "random"],
)
@torch.no_grad()
def test_memory_policy_decides_what_a_stream_remembers(settings, remembered):
    model = build(**settings)
    clip = torch.rand(1, 6, 3, 16, 16)
    store = RingBuffer(8, model.config.write_interval)
    logits = stream(model, clip, store)
    assert (logits - model(clip)).abs().max() < 1e-5
    plain = build()
    expected = plain(clip[:, [*remembered, 5]])
    assert (logits - expected).abs().max() < 1e-5


def test_the_segmenter_follows_the_policy():
    model = build(memory_size=4, memory_policy="every_nth", memory_interval=3)
    segmenter = open_segmenter(model)
    image = np.zeros((16, 16, 3), np.uint8)
    filled = []
    for _ in range(8):
        segmenter.step(image)
        filled.append(segmenter.backend.filled)
    assert filled == [1, 1, 1, 2, 2, 2, 3, 3]
    segmenter.reset()
    segmenter.step(image)
    assert segmenter.backend.filled == 1, "the first frame after a reset is remembered"


def test_random_draws_memory_size_frames_while_training():
    model = build(memory_size=3, memory_policy="random").train()
    draws = {tuple(model.remembered(9)) for _ in range(50)}
    assert len(draws) > 10
    assert all(len(set(draw)) == 3 and max(draw) < 9 for draw in draws)
    assert model.remembered(2) == [0, 1], "no more than there are"
    itself = build(memory_size=3, memory_policy="random", write_before_read=True).train()
    draws = [itself.remembered(9) for _ in range(10)]
    assert all(len(draw) == 3 and draw[-1] == 9 and max(draw[:2]) < 9 for draw in draws)
    model(torch.rand(2, 5, 3, 16, 16)).sum().backward()
    assert model.memory.heads.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_written_before_reading_a_frame_attends_to_itself():
    before, after = build(write_before_read=True), build()
    clip = torch.rand(1, 3, 3, 16, 24)
    assert (stream(before, clip, RingBuffer(4)) - before(clip)).abs().max() < 1e-5
    # The same as a memory that holds the frame twice over, once as a past frame.
    assert (before(clip) - after(clip[:, [0, 1, 2, 2]])).abs().max() < 1e-5
    first = clip[:, :1]
    assert (before(first) - after(first[:, [0, 0]])).abs().max() < 1e-5
    assert torch.equal(stream(before, first, RingBuffer(4)), before(first))
