"""Robustness to corruptions: every one of them, single frames beside the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lmanet_core.data.standard_corruptions import with_standard_corruption
from lmanet_core.data.video import VideoDataset
from lmanet_core.evaluation.accumulator import Evaluation
from lmanet_core.evaluation.dataset_evaluation import (
    SegmentedFrame,
    score_side_by_side,
    segment_side_by_side,
)
from lmanet_core.output.files import replacing
from lmanet_core.runtime import VideoSegmenter

CLEAN = "clean"


@dataclass(frozen=True)
class Robustness:
    """Figures of one network.

    Attributes:
        severity, share: of the corruptions, and of the frames that have them.
        evaluations: corruption, the first one being 'clean' -> mode to run the network, such as
            'single' -> its figures.
    """

    severity: int
    share: float
    evaluations: Mapping[str, Mapping[str, Evaluation]]

    @property
    def modes(self) -> list[str]:
        """To run the network."""
        return list(self.evaluations[CLEAN])

    def miou(self, mode: str) -> dict[str, float]:
        """mIoU of each corruption, 0..1."""
        figures = ((name, of[mode].miou) for name, of in self.evaluations.items())
        return {name: miou for name, miou in figures if miou is not None}

    def mean(self, mode: str) -> float:
        """mIoU, mean over the corruptions."""
        return float(np.mean([miou for name, miou in self.miou(mode).items() if name != CLEAN]))

    def relative(self, mode: str) -> float:
        """Mean over the corruptions as a share of the mIoU of clean frames."""
        return self.mean(mode) / self.miou(mode)[CLEAN]

    def table(self) -> str:
        """A table in percent: a line for each corruption, their mean, and the mean relative to
        clean."""
        modes = self.modes
        columns = [self.miou(mode) for mode in modes]
        lines = [
            self._line(name, [column[name] for column in columns]) for name in self.evaluations
        ]
        lines += [
            self._line("mean of corruptions", [self.mean(mode) for mode in modes]),
            self._line("relative to clean", [self.relative(mode) for mode in modes]),
        ]
        title = f"mIoU, severity {self.severity}, {100 * self.share:g} % of the frames"
        head = f"{'':>20} " + " ".join(f"{mode:>8}" for mode in modes)
        return "\n".join([title, head + ("     gain" if len(modes) == 2 else ""), *lines])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self) | {
            "mean": {mode: self.mean(mode) for mode in self.modes},
            "relative": {mode: self.relative(mode) for mode in self.modes},
        }

    def plot(self, path: Path) -> None:
        """Draw the mIoU of each corruption as bars, mode beside mode; needs matplotlib."""
        from matplotlib import pyplot

        picture, panel = pyplot.subplots(figsize=(9, 4), layout="constrained")
        places = np.arange(len(self.evaluations))
        width = 0.8 / len(self.modes)
        for number, mode in enumerate(self.modes):
            bars = [100 * miou for miou in self.miou(mode).values()]
            left = places - 0.4 + (number + 0.5) * width
            label = f"{mode}, relative to clean {self.relative(mode):.2f}"
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
    """Score a network on clean frames, and on the same ones corrupted in each mode.

    Args:
        segmenters: modes to run it, by name; each sees the same frames.
        dataset: as `evaluate` takes it.
        corruptions: some of `lmanet_core.data.standard_corruptions.CORRUPTIONS`.
        severity, share, run_length: see `with_standard_corruption`.
        on_frame: called after each frame, for progress bars.
        lookup: as `evaluate` takes it.

    Raises:
        DatasetError: no frame has labels, or a file cannot be read.
        ValueError: an argument is out of range.
        MissingExtraError: the package of the corruptions is not installed.
    """
    evaluations = {CLEAN: evaluate_side_by_side(segmenters, dataset, on_frame, lookup)}
    for name in corruptions:
        changed = with_standard_corruption(dataset, name, severity, share, run_length)
        evaluations[name] = evaluate_side_by_side(segmenters, changed, on_frame, lookup)
    return Robustness(severity, share, evaluations)


def evaluate_side_by_side(
    segmenters: Mapping[str, VideoSegmenter],
    dataset: VideoDataset,
    on_frame: Callable[[], None] = lambda: None,
    lookup: np.ndarray | None = None,
) -> dict[str, Evaluation]:
    """Score several modes to run a network on the same frames, each of which is read once.

    Args and errors: as of `evaluate_corruptions`.
    """

    def reported() -> Iterator[dict[str, SegmentedFrame]]:
        for frames in segment_side_by_side(segmenters, dataset, lookup):
            on_frame()
            yield frames

    return score_side_by_side(reported(), dataset.classes)
