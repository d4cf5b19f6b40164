"""How a network bears corruptions: every one of them, single frames beside the memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lmanet_core.data.standard_corruptions import with_standard_corruption
from lmanet_core.data.video import DatasetError, VideoDataset
from lmanet_core.evaluation.accumulator import Evaluation
from lmanet_core.evaluation.dataset_evaluation import streamed_frames
from lmanet_core.evaluation.scorer import Scorer
from lmanet_core.output.files import replacing
from lmanet_core.runtime import VideoSegmenter

CLEAN = "clean"


@dataclass(frozen=True)
class Robustness:
    """Figures of one network.

    Attributes:
        severity, share: of the corruptions, and of the frames that have them.
        evaluations: corruption, the first one being 'clean' -> way to run the network, such as
            'single' -> its figures.
    """

    severity: int
    share: float
    evaluations: Mapping[str, Mapping[str, Evaluation]]

    @property
    def ways(self) -> list[str]:
        """To run the network."""
        return list(self.evaluations[CLEAN])

    def miou(self, way: str) -> dict[str, float]:
        """Of each corruption, 0..1."""
        figures = ((name, of[way].miou) for name, of in self.evaluations.items())
        return {name: miou for name, miou in figures if miou is not None}

    def mean(self, way: str) -> float:
        """mIoU, mean over the corruptions."""
        return float(np.mean([miou for name, miou in self.miou(way).items() if name != CLEAN]))

    def relative(self, way: str) -> float:
        """That mean as a share of the mIoU of clean frames."""
        return self.mean(way) / self.miou(way)[CLEAN]

    def table(self) -> str:
        """In percent, a line for each corruption, then their mean and that relative to clean."""
        ways = self.ways
        columns = [self.miou(way) for way in ways]
        lines = [
            self._line(name, [column[name] for column in columns]) for name in self.evaluations
        ]
        lines += [
            self._line("mean of corruptions", [self.mean(way) for way in ways]),
            self._line("relative to clean", [self.relative(way) for way in ways]),
        ]
        title = f"mIoU, severity {self.severity}, {100 * self.share:g} % of the frames"
        head = f"{'':>20} " + " ".join(f"{way:>8}" for way in ways)
        return "\n".join([title, head + ("     gain" if len(ways) == 2 else ""), *lines])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self) | {
            "mean": {way: self.mean(way) for way in self.ways},
            "relative": {way: self.relative(way) for way in self.ways},
        }

    def plot(self, path: Path) -> None:
        """Draw the mIoU of each corruption as bars, way beside way; needs matplotlib."""
        from matplotlib import pyplot

        picture, panel = pyplot.subplots(figsize=(9, 4), layout="constrained")
        places = np.arange(len(self.evaluations))
        width = 0.8 / len(self.ways)
        for number, way in enumerate(self.ways):
            bars = [100 * miou for miou in self.miou(way).values()]
            left = places - 0.4 + (number + 0.5) * width
            label = f"{way}, relative to clean {self.relative(way):.2f}"
            panel.bar(left, bars, width, label=label)
        panel.set_xticks(places, list(self.evaluations), rotation=35, ha="right")
        panel.set_ylabel("mIoU, %")
        panel.set_title(f"severity {self.severity}, {100 * self.share:g} % of the frames")
        panel.legend()
        panel.spines[["top", "right"]].set_visible(False)
        with replacing(path) as unfinished:
            picture.savefig(unfinished, dpi=130)
        pyplot.close(picture)

    def _line(self, name: str, shares: Sequence[float]) -> str:
        figures = [f"{100 * share:8.2f}" for share in shares]
        if len(shares) == 2:
            figures.append(f"{100 * (shares[1] - shares[0]):+8.2f}")
        return f"{name:>20} {' '.join(figures)}"


def evaluate_corruptions(
    segmenters: Mapping[str, VideoSegmenter],
    dataset: VideoDataset,
    corruptions: Sequence[str],
    severity: int,
    share: float = 1.0,
    run_length: int = 1,
    on_frame: Callable[[], None] = lambda: None,
    lookup: np.ndarray | None = None,
) -> Robustness:
    """Score a network on clean frames, and on the same ones corrupted in each way.

    Args:
        segmenters: ways to run it, by name; each sees the same frames.
        dataset: as `evaluate` takes it.
        corruptions: some of `lmanet_core.data.standard_corruptions.CORRUPTIONS`.
        severity, share, run_length: see `corrupted`.
        on_frame: called after each frame, for progress bars.
        lookup: as `evaluate` takes it.

    Raises:
        DatasetError: no frame has labels, or a file cannot be read.
        ValueError: an argument is out of range.
        MissingExtraError: the package of the corruptions is not installed.
    """
    evaluations = {CLEAN: _stream(segmenters, dataset, on_frame, lookup)}
    for name in corruptions:
        changed = with_standard_corruption(dataset, name, severity, share, run_length)
        evaluations[name] = _stream(segmenters, changed, on_frame, lookup)
    return Robustness(severity, share, evaluations)


def _stream(
    segmenters: Mapping[str, VideoSegmenter],
    dataset: VideoDataset,
    on_frame: Callable[[], None],
    lookup: np.ndarray | None,
) -> dict[str, Evaluation]:
    """As `evaluate`, but each frame is read, and corrupted, once for all."""
    scorers = {way: Scorer(dataset.classes) for way in segmenters}
    for video in dataset.videos:
        for way, segmenter in segmenters.items():
            segmenter.reset()
            scorers[way].begin_video(video.name)
        for index in range(streamed_frames(video)):
            image, true = video.image(index), video.labels(index)
            for way, segmenter in segmenters.items():
                labels = segmenter.step(image, confidence=False).labels
                if lookup is not None:
                    labels = lookup[labels]
                scorers[way].add(image, labels, true)
            on_frame()
    results = {way: scorer.result() for way, scorer in scorers.items()}
    if any(result.miou is None for result in results.values()):
        raise DatasetError("nothing to score: no frame has labels other than 255")
    return results
