"""How many corrupted frames in a row a memory bridges: figures over the length of the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lmanet_core.data.corrupted_video import CorruptedVideo
from lmanet_core.data.video import VideoDataset
from lmanet_core.evaluation.accumulator import Evaluation
from lmanet_core.evaluation.robustness import evaluate_side_by_side
from lmanet_core.output.files import replacing
from lmanet_core.runtime import VideoSegmenter

CorruptInRuns = Callable[[int], VideoDataset]
"""The data set with frames corrupted in runs of a length."""


@dataclass(frozen=True)
class RunLengths:
    """Figures of one network.

    Attributes:
        title: what the frames are corrupted by, for table and plot.
        corrupted: length of the runs -> share (0..1) of the scored frames that are corrupted. In
            few runs chance has its way.
        evaluations: length of the runs -> mode to run the network, such as 'single' or 'S = 4' ->
            its figures.
    """

    title: str
    corrupted: Mapping[int, float]
    evaluations: Mapping[int, Mapping[str, Evaluation]]

    @property
    def modes(self) -> list[str]:
        """To run the network."""
        return list(next(iter(self.evaluations.values())))

    def table(self) -> str:
        """mIoU and VC_16 of each mode in percent, a line for each length."""
        head = f"{'run':>4} {'corrupted':>10} " + " ".join(f"{mode:>12}" for mode in self.modes)
        lines = [
            f"{length:>4} {self.corrupted[length]:>10.0%} "
            + " ".join(f"{_cell(of[mode]):>12}" for mode in self.modes)
            for length, of in self.evaluations.items()
        ]
        return "\n".join([f"{self.title}: mIoU, VC_16", head, *lines])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    def plot(self, path: Path) -> None:
        """Draw mIoU over the length of the runs, a curve for each mode; needs matplotlib."""
        from matplotlib import pyplot

        picture, panel = pyplot.subplots(figsize=(6, 4), layout="constrained")
        lengths = list(self.evaluations)
        for mode in self.modes:
            mious = [of[mode].miou for of in self.evaluations.values()]
            shares = [np.nan if miou is None else 100 * miou for miou in mious]
            panel.plot(lengths, shares, marker="o", label=mode)
        panel.set_xticks(lengths, [f"{n}\n{self.corrupted[n]:.0%}" for n in lengths])
        panel.set_xlabel(
            "frames in a row that are corrupted\n(below: share of corrupted frames in all)"
        )
        panel.set_ylabel("mIoU, %")
        panel.set_title(self.title)
        panel.legend()
        panel.spines[["top", "right"]].set_visible(False)
        with replacing(path) as unfinished:
            picture.savefig(unfinished, dpi=130)
        pyplot.close(picture)


def evaluate_run_lengths(
    segmenters: Mapping[str, VideoSegmenter],
    corrupt: CorruptInRuns,
    lengths: Sequence[int],
    title: str,
    on_frame: Callable[[], None] = lambda: None,
    lookup: np.ndarray | None = None,
) -> RunLengths:
    """Score a network on frames that are corrupted in runs, in each mode.

    Args:
        segmenters: modes to run it, by name; each sees the same frames.
        corrupt: how; the videos are `CorruptedVideo`s.
        lengths: of the runs, in the order in which they are to be shown.
        title: what it is.
        on_frame: called after each frame, for progress bars.
        lookup: as `evaluate` takes it.

    Raises:
        DatasetError: no frame has labels, or a file cannot be read.
        ValueError: a length is less than 1.
    """
    datasets = {length: corrupt(length) for length in lengths}
    return RunLengths(
        title,
        {length: _corrupted_share(dataset) for length, dataset in datasets.items()},
        {
            length: evaluate_side_by_side(segmenters, dataset, on_frame, lookup)
            for length, dataset in datasets.items()
        },
    )


def _corrupted_share(dataset: VideoDataset) -> float:
    corrupted = [
        video.is_corrupted(index)
        for video, index in dataset.labelled_frames
        if isinstance(video, CorruptedVideo)
    ]
    return float(np.mean(corrupted)) if corrupted else 0.0


def _cell(evaluation: Evaluation) -> str:
    figures = (evaluation.miou, evaluation.vc16)
    return ", ".join("-" if share is None else f"{100 * share:.1f}" for share in figures)
