"""Two evaluations of the same videos side by side: what was gained, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Figures = Mapping[str, Any]
"""An `Evaluation` as plain values, as `lmanet evaluate --json` writes it."""


@dataclass(frozen=True)
class PairedDifference:
    """What became of a figure, over the same videos before and after.

    Attributes:
        mean: mean of the differences.
        low, high: 95 % interval of that mean, from the bootstrap.
        gaining: 0..1, share of the videos whose figure rose.
    """

    mean: float
    low: float
    high: float
    gaining: float


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], resamples: int = 10_000, seed: int = 0
) -> PairedDifference:
    """How far a mean difference can be trusted on other videos like these.

    Frames of one video resemble each other, videos do not: so videos are drawn, with replacement,
    as many as there are, and each brings both of its figures.

    Args:
        before, after: of the same videos in the same order.

    Raises:
        ValueError: there is no video, or the two do not have equally many.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile interval.
    """
    if len(before) != len(after) or len(before) == 0:
        raise ValueError(
            f"expected figures of the same videos, one at least, got {len(before)} before and "
            f"{len(after)} after"
        )
    differences = np.subtract(after, before)
    drawn = np.random.default_rng(seed).integers(len(before), size=(resamples, len(before)))
    low, high = np.percentile(differences[drawn].mean(1), (2.5, 97.5)).tolist()
    return PairedDifference(float(differences.mean()), low, high, float(np.mean(differences > 0)))


def compare(before: Sequence[Figures], after: Sequence[Figures]) -> str:
    """A table of mIoU by video and IoU by class, and the interval of the mean gain.

    Args:
        before, after: evaluations of the same data, those of several seeds if there are more than
            one; their mean counts.

    Raises:
        ValueError: they are of other videos, or without figures of videos.
    """
    earlier, later = _by_video(before), _by_video(after)
    if different := sorted(set(earlier) ^ set(later)):
        raise ValueError(f"not evaluations of the same videos: {different} are in one of them only")
    if not earlier:
        raise ValueError("there are no figures of videos: evaluate again with this version")
    gain = paired_bootstrap(list(earlier.values()), [later[name] for name in earlier])
    of_classes = _mean([run["iou"] for run in before]), _mean([run["iou"] for run in after])
    lines = [
        f"{'':>28} before  after   gain",
        *_lines(earlier, later),
        "",
        *_lines(*of_classes),
        "",
    ]
    low, mean, high = (f"{100 * share:+.2f}" for share in (gain.low, gain.mean, gain.high))
    if len(earlier) == 1:
        # Frames of one video resemble each other: they tell nothing of another one.
        lines.append(f"mIoU, of one video: {mean}; how sure that is, only more videos can tell")
    else:
        lines.append(
            f"mIoU, mean over {len(earlier)} videos: {mean}, 95 % interval {low} to {high}, "
            f"{100 * gain.gaining:.0f} % of the videos gain"
        )
    return "\n".join(lines)


def _by_video(runs: Sequence[Figures]) -> dict[str, float]:
    return _mean(
        [{name: video["miou"] for name, video in run.get("videos", {}).items()} for run in runs]
    )


def _mean(runs: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Mean over the runs, of videos for which all of them have a figure."""
    return {
        name: float(np.mean([run[name] for run in runs]))
        for name in runs[0]
        if all(run.get(name) is not None for run in runs)
    }


def _lines(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    return [
        f"{name[-28:]:>28} {100 * before[name]:6.2f} {100 * after[name]:6.2f} "
        f"{100 * (after[name] - before[name]):+6.2f}"
        for name in before
        if name in after
    ]
