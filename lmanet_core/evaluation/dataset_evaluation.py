"""A network on a data set, frame by frame as a robot would see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lmanet_core.data.video import DatasetError, Video, VideoDataset
from lmanet_core.evaluation.accumulator import Evaluation
from lmanet_core.evaluation.scorer import Scorer
from lmanet_core.network.classes import ClassTable
from lmanet_core.runtime import VideoSegmenter


@dataclass(frozen=True)
class SegmentedFrame:
    """One frame, what the network says about it and, where it is known, what is true.

    Attributes:
        video, index: which frame; the frames of a video come in order, without gaps.
        image: (H, W, 3) uint8, RGB.
        predicted: (H, W) uint8.
        true: (H, W) uint8 with 255 where nothing is scored, or None.
    """

    video: str
    index: int
    image: np.ndarray
    predicted: np.ndarray
    true: np.ndarray | None


def evaluate(
    segmenter: VideoSegmenter,
    dataset: VideoDataset,
    on_frame: Callable[[SegmentedFrame], None] | None = None,
    lookup: np.ndarray | None = None,
) -> Evaluation:
    """Stream all videos of a data set through a network and score what it says.

    Args:
        segmenter: its memory is emptied before each video.
        dataset: each video is streamed from its first to its last frame that has labels. Frames
            and labels are scored at the size that the data set gives them.
        on_frame: called with each frame, for progress bars and pictures.
        lookup: (256,) uint8, the network's labels as those of the data set, see
            `lmanet_core.data.label_mapping.coarse_labels`; None: they are the same.

    Raises:
        DatasetError: no frame has labels, or a file cannot be read.
        ValueError: labels do not fit their image, or one is not a class.
    """

    def reported() -> Iterator[SegmentedFrame]:
        for frame in segment(segmenter, dataset, lookup):
            if on_frame is not None:
                on_frame(frame)
            yield frame

    return score(reported(), dataset.classes)


def segment(
    segmenter: VideoSegmenter, dataset: VideoDataset, lookup: np.ndarray | None = None
) -> Iterator[SegmentedFrame]:
    """Stream each video up to its last frame that has labels; `lookup` as in `evaluate`."""
    for frames in segment_side_by_side({"": segmenter}, dataset, lookup):
        yield frames[""]


def segment_side_by_side(
    segmenters: Mapping[str, VideoSegmenter],
    dataset: VideoDataset,
    lookup: np.ndarray | None = None,
) -> Iterator[dict[str, SegmentedFrame]]:
    """Segment with several networks, by name; each frame is read once for all."""
    for video in dataset.videos:
        for segmenter in segmenters.values():
            segmenter.reset()
        for index in range(streamed_frames(video)):
            image, true = video.image(index), video.labels(index)
            frames = {}
            for name, segmenter in segmenters.items():
                predicted = segmenter.step(image, confidence=False).labels
                if lookup is not None:
                    predicted = lookup[predicted]
                frames[name] = SegmentedFrame(video.name, index, image, predicted, true)
            yield frames


def streamed_frames(video: Video) -> int:
    """How many of a video's frames `segment` needs: what follows the last labels tells nothing."""
    return max(video.labelled, default=-1) + 1


def score(frames: Iterable[SegmentedFrame], classes: ClassTable) -> Evaluation:
    """Score frames whoever segmented them.

    Args:
        frames: video after video, each in order.
        classes: what the labels, predicted and true, mean.

    Raises:
        DatasetError: no frame has labels, or all of them are 255.
        ValueError: predicted and true labels differ in size, or a true label is not a class.
    """
    return score_side_by_side(({"": frame} for frame in frames), classes)[""]


def score_side_by_side(
    frames: Iterable[Mapping[str, SegmentedFrame]], classes: ClassTable
) -> dict[str, Evaluation]:
    """Score frames that several networks have segmented."""
    scorers: defaultdict[str, Scorer] = defaultdict(lambda: Scorer(classes))
    video = None
    for segmented in frames:
        for name, frame in segmented.items():
            if frame.video != video:
                scorers[name].begin_video(frame.video)
            if frame.true is not None and frame.true.shape != frame.predicted.shape:
                # The scorer would compare them at the size of the truth.
                raise ValueError(
                    f"{frame.video}, frame {frame.index}: labels {frame.true.shape} do not fit "
                    f"what was predicted {frame.predicted.shape}"
                )
            scorers[name].add(frame.image, frame.predicted, frame.true)
        video = next(iter(segmented.values())).video
    evaluations = {name: scorer.result() for name, scorer in scorers.items()}
    if not evaluations or any(one.miou is None for one in evaluations.values()):
        raise DatasetError("nothing to score: no frame has labels other than 255")
    return evaluations
