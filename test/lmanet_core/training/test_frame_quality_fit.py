"""Whether corrupted frames are told from good ones."""

import pytest
import torch

from lmanet_core.models.frame_quality import FrameQuality
from lmanet_core.training.frame_quality_fit import fit_frame_quality


def test_frames_it_has_not_seen_get_the_odds_that_they_are_good() -> None:
    torch.manual_seed(0)
    quality = FrameQuality(12)
    assert not quality(torch.rand(2, 12, 6, 8)).any()
    good, corrupted = frames(64)
    fit_frame_quality(quality, good, corrupted)
    good, corrupted = frames(200)
    scores, corrupted_scores = quality(good).flatten(), quality(corrupted).flatten()
    assert (scores[:, None] > corrupted_scores).float().mean() > 0.9
    # Of those that look like either, half are good.
    torch.testing.assert_close(
        torch.cat([scores, corrupted_scores]).sigmoid().mean(), torch.tensor(0.5), atol=0.1, rtol=0
    )


def test_its_odds_are_no_less_sure_than_they_can_be() -> None:
    """Of frames of which it says 88 % (odds of 2 in logarithms), 88 % are good."""
    torch.manual_seed(0)
    quality = FrameQuality(12)
    fit_frame_quality(quality, *(part[:, :, :3, :4] for part in frames(2000)))
    good, corrupted = (quality(part[:, :, :3, :4]).flatten() for part in frames(4000))
    both = torch.cat([good, corrupted])
    of_good = torch.cat([torch.ones(len(good)), torch.zeros(len(corrupted))])
    for odds in (-2.0, 2.0):
        alike = (both - odds).abs() < 0.7
        share = of_good[alike].mean().item()
        assert share == pytest.approx(torch.tensor(odds).sigmoid().item(), abs=0.05)


def test_a_nearly_dead_channel_has_no_say() -> None:
    torch.manual_seed(0)
    good, corrupted = frames(64)
    dead = torch.rand(2, 64, 1, 6, 8)
    quality, plain = FrameQuality(13), FrameQuality(12)
    fit_frame_quality(
        quality, *(torch.cat(p, 1) for p in zip((good, corrupted), 1e-6 * dead, strict=True))
    )
    fit_frame_quality(plain, good, corrupted)
    assert quality.weight.abs().max() < 100 * plain.weight.abs().max()
    features = torch.cat([good, 1e-6 * dead[0]], 1)
    in_full, in_half = (form(features.half()) for form in (quality, quality.half()))
    torch.testing.assert_close(in_half, in_full, rtol=0.05, atol=0.2)


def frames(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of frames that differ more from each other than from themselves corrupted."""
    good = torch.rand(number, 12, 6, 8) + 2 * torch.rand(number, 12, 1, 1)
    return good, good + 0.7 * torch.randn(good.shape)
