"""How good and how fast the node's answers in a recording are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lmanet_core import CITYSCAPES, ClassTable, VideoSegmenter
from lmanet_core.cloud.birds_eye_view import MapFromAbove, Place
from lmanet_core.cloud.cloud_scorer import CloudAccumulator, CloudScorer
from lmanet_core.evaluation import common_classes
from lmanet_core.evaluation.metrics import ConfusionMatrix
from lmanet_ros.demo.bag import Measurement, answered_frames, last_frame_counts


@dataclass(frozen=True)
class Score:
    """Figures of a recording.

    Attributes:
        frame_counts: what happened to the frames, by the node's own account.
        latencies: seconds from an image's stamp to the arrival of its labels, of each frame that
            was answered.
        matrices: labels against the exact ones, on the same frames, of 'node' and 'single_frame';
            empty if exact labels are not known, or in classes of which the network has none.
        classes: of the matrices.
        clouds: what the figures in space of 'node' and 'single_frame' are made of.
        maps: what they, and the exact labels ('exact'), make of the ground.
        way: the camera's places.
    """

    frame_counts: dict[str, int]
    latencies: list[float] = field(default_factory=list)
    matrices: dict[str, ConfusionMatrix] = field(default_factory=dict)
    classes: ClassTable = CITYSCAPES
    clouds: dict[str, CloudAccumulator] = field(default_factory=dict)
    maps: dict[str, MapFromAbove] = field(default_factory=dict)
    way: list[Place] = field(default_factory=list)


def score(bag: Path, single_frame: VideoSegmenter) -> Score:
    """Read a recording and compare what is in it.

    Args:
        bag: as `session.record` makes it.
        single_frame: the node's network, to compare with; it is made to forget before each frame.
    """
    common = common_classes(single_frame.classes, CITYSCAPES)
    result = Score(last_frame_counts(bag), classes=common.classes)
    cloud_scorer = CloudScorer(common.classes)
    progress = tqdm(
        answered_frames(bag), "scoring", result.frame_counts.get("processed"), unit="frame"
    )
    for frame in progress:
        result.latencies.append(frame.latency)
        if frame.ground_truth is None or common.is_empty:
            continue
        single_frame.reset()
        alone = single_frame.step(frame.image, confidence=False).labels
        predictions = {"node": frame.labels, "single_frame": alone}
        for name, labels in predictions.items():
            matrix = result.matrices.setdefault(name, ConfusionMatrix(len(common.classes)))
            matrix.update(common.counted[labels], common.true[frame.ground_truth])
        if frame.measurement:
            known = {name: common.predicted[labels] for name, labels in predictions.items()}
            exact = common.true[frame.ground_truth]
            _add_measured(result, cloud_scorer, frame.measurement, known, exact)
    return result


def _add_measured(
    score: Score,
    cloud_scorer: CloudScorer,
    measured: Measurement,
    predictions: Mapping[str, np.ndarray],
    exact: np.ndarray,
) -> None:
    rays, depth = measured.camera.rays(), measured.depth
    for name, labels in predictions.items():
        tally = cloud_scorer.score(rays, depth, labels, exact)
        score.clouds[name] = score.clouds.get(name, CloudAccumulator()) + tally
    for name, labels in {"exact": exact, **predictions}.items():
        drawn = score.maps.setdefault(name, MapFromAbove())
        drawn.add(rays, depth, labels, measured.place)
    score.way.append(measured.place)
