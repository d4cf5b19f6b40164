"""Whether worse frames are told from good ones."""

import torch

from lmanet_core.models.frame_quality import FrameQuality
from lmanet_core.training.quality import fit_quality


def test_frames_it_has_not_seen_get_the_odds_that_they_are_good() -> None:
    torch.manual_seed(0)
    quality = FrameQuality(12)
    assert not quality(torch.rand(2, 12, 6, 8)).any()
    good, worse = frames(64)
    fit_quality(quality, good, worse)
    good, worse = frames(200)
    scores, worse_scores = quality(good).flatten(), quality(worse).flatten()
    assert (scores[:, None] > worse_scores).float().mean() > 0.9
    # Of those that look like either, half are good.
    torch.testing.assert_close(
        torch.cat([scores, worse_scores]).sigmoid().mean(), torch.tensor(0.5), atol=0.1, rtol=0
    )


def frames(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of frames that differ more from each other than from themselves made worse."""
    good = torch.rand(number, 12, 6, 8) + 2 * torch.rand(number, 12, 1, 1)
    return good, good + 0.7 * torch.randn(good.shape)
