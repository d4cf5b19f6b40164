"""What a memory that has learned nothing gives, by the start it has."""

import pytest
import torch

from lmanet_core.models import LocalMemory
from lmanet_core.training.start_from_features import start_as_average, start_with_components
from lmanet_core.training.training_config import TrainingError


def features_with_components(number: int, frames: int = 4) -> torch.Tensor:
    """(frames, 32, 8, 8), not negative, as an encoder's are, that vary in `number` directions."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.rand(32, number, generator=generator)
    weights = torch.rand(frames, number, 8, 8, generator=generator)
    return torch.einsum("ck,nkhw->nchw", basis, weights)


def started_memory(features: torch.Tensor) -> LocalMemory:
    memory = LocalMemory(32, key_channels=8, value_channels=16, window_size=5).eval()
    start_as_average(memory, features)
    return memory


def test_reading_the_same_frame_gives_back_its_features():
    features = features_with_components(6)
    memory = started_memory(features)
    # A window of one location, and so no border, reads exactly what was written.
    memory.window_size = 1
    frame = memory.project(features)
    fused = memory.read_and_fuse(frame, frame.memory_key[:, None], frame.memory_value[:, None])
    torch.testing.assert_close(fused, features, rtol=0, atol=0.03)


def test_what_is_read_is_mixed_in():
    features = features_with_components(6)
    memory = started_memory(features)
    memory.window_size = 1
    now, before = (memory.project(part) for part in features.split(2))
    fused = memory.read_and_fuse(now, before.memory_key[:, None], before.memory_value[:, None])
    expected = 0.8 * features[:2] + 0.2 * features[2:]
    torch.testing.assert_close(fused, expected, rtol=0, atol=0.03)


@pytest.mark.parametrize(("fusion", "value_channels"), [("blend", None), ("residual", 16)])
def test_keys_of_components_tell_places_apart(fusion: str, value_channels: int | None) -> None:
    features = features_with_components(6)
    memory = LocalMemory(
        32, 13, value_channels, window_size=5, fusion=fusion, key_form="located"
    ).eval()
    start_with_components(memory, features)
    frame = memory.project(features)
    look = frame.query_key[:, :8].flatten(2)
    # All but the quality.
    torch.testing.assert_close(frame.memory_key[:, :-1], frame.query_key[:, :-1])
    torch.testing.assert_close(frame.memory_value, frame.query_value)
    itself, scores = look.square().sum(1), torch.einsum("ndp,ndq->npq", look, look)
    assert (itself > scores.mean(2) + scores.std(2)).float().mean() > 0.9


def test_similar_locations_attract_attention():
    features = features_with_components(6)
    memory = started_memory(features)
    frame = memory.project(features)
    keys = frame.memory_key.flatten(2)
    scores = torch.einsum("nkp,nkq->npq", frame.query_key.flatten(2), keys)
    itself = scores.diagonal(dim1=1, dim2=2)
    assert (itself > scores.mean(2) + scores.std(2)).float().mean() > 0.9
    # Neither all of 64 locations nor itself alone.
    share = scores.softmax(2).diagonal(dim1=1, dim2=2).mean()
    assert 0.1 < share < 0.5


def test_another_fusion_is_refused():
    memory = LocalMemory(
        32, key_channels=8, value_channels=16, window_size=5, fusion="concatenation"
    )
    with pytest.raises(TrainingError, match="start 'average' is for the fusion 'gated'"):
        start_as_average(memory, features_with_components(6))
