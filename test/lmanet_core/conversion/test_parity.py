"""Converted networks compute what the paper's equations say, for every number of frames."""

import pytest
import torch
from equations import PublishedERFNet, PublishedPSPNet
from published_files import lmanet_erfnet, lmanet_pspnet101

from lmanet_core.conversion import convert
from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer

MAX_MEMORY = 5
SIZES = {"erfnet": (24, 160), "pspnet101": (25, 33)}
"""(height, width), so small that every window of the published size, 21, reaches outside; wide
enough for ERFNet's convolutions with a dilation of 16 to see more than the middle."""


@pytest.fixture(scope="module", params=["erfnet", "pspnet101"])
def pair(request):
    """A converted model, the equations over the same tensors, and both one's view of a clip."""
    torch.manual_seed(0)
    if request.param == "erfnet":
        tensors = lmanet_erfnet()
        equations = PublishedERFNet(tensors)
    else:
        tensors = lmanet_pspnet101()
        equations = PublishedPSPNet(tensors)
    model = convert(tensors).model
    clip = torch.rand(1, MAX_MEMORY + 1, 3, *SIZES[request.param])
    with torch.no_grad():
        features = [equations.encode(image[None]) for image in clip[0]]
    return model, equations, clip, features


def assert_equal(logits: torch.Tensor, expected: torch.Tensor) -> None:
    # In units of the logits' spread: a tolerance means something then.
    scale = expected.std()
    assert logits.shape == expected.shape
    error = ((logits - expected) / scale).abs().max()
    print(f"largest difference {error:.1e}")
    assert error < 1e-4


@torch.no_grad()
def test_a_single_frame(pair):
    model, equations, clip, features = pair
    assert_equal(model(clip[:, -1:]), equations.segment(features[-1:], 21))


@pytest.mark.parametrize("frames", range(1, MAX_MEMORY + 1))
@torch.no_grad()
def test_a_memory_of_so_many_frames(pair, frames):
    model, equations, clip, features = pair
    store = RingBuffer(frames)
    # The features are known already: what is tested streams from there.
    for feature in features[-frames - 1 : -1]:
        projected = model.memory.project(feature)
        store.write(projected.memory_key, projected.memory_value)
    expected = equations.segment(features[-frames - 1 :], 21)
    assert_equal(model.step(clip[:, -1], store), expected)
    alone = equations.segment(features[-1:], 21)
    assert (alone - expected).abs().max() > 0.1 * expected.std(), "the memory has no effect"


@torch.no_grad()
def test_a_whole_clip(pair):
    model, equations, clip, features = pair
    assert_equal(model(clip[:, -3:]), equations.segment(features[-3:], 21))
