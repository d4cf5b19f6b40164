"""How good and how fast the node's answers in a recording are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from lmanet_core import CITYSCAPES, ClassTable, VideoSegmenter
from lmanet_core.evaluation import common_classes
from lmanet_core.metrics import ConfusionMatrix
from lmanet_ros.demo.bag import answered_frames, last_frame_counts


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
    """

    frame_counts: dict[str, int]
    latencies: list[float] = field(default_factory=list)
    matrices: dict[str, ConfusionMatrix] = field(default_factory=dict)
    classes: ClassTable = CITYSCAPES


def score(bag: Path, single_frame: VideoSegmenter) -> Score:
    """Read a recording and compare what is in it.

    Args:
        bag: as `session.record` makes it.
        single_frame: the node's network, to compare with; it is made to forget before each frame.
    """
    common = common_classes(single_frame.classes, CITYSCAPES)
    result = Score(last_frame_counts(bag), classes=common.classes)
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
    return result
