"""The node's network without its memory, on the frames that the node has answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from lmanet_core import VideoSegmenter
from lmanet_core.cloud.birds_eye_view import MapFromAbove, Place
from lmanet_ros.evaluation.depths import Depths
from lmanet_ros.evaluation.one_recording import Evaluated
from lmanet_ros.evaluation.scoring import AnswerScorer, Score


def single_frame_labels(segmenter: VideoSegmenter, image: np.ndarray) -> np.ndarray:
    """What a network says of an image when it remembers nothing."""
    segmenter.reset()
    return segmenter.step(image, confidence=False).labels


def score_single_frames(
    evaluated: Evaluated, segmenter: VideoSegmenter, way: Sequence[Place]
) -> tuple[Score, dict[str, MapFromAbove]]:
    """Score single frames as the node was scored, and see from above what all labels make.

    Args:
        evaluated: what the node has answered.
        segmenter: its network, which is made to forget before each frame.
        way: the camera's places, by the frames' numbers; empty: they are not known.

    Returns:
        The score, and maps of 'exact labels', 'with memory' and 'single frame', if there is a way.
    """
    survey = evaluated.survey
    depths = Depths(survey) if survey.depth_topic else None
    scorer = AnswerScorer(segmenter.classes, survey.classes, depths)
    common = scorer.common
    maps: dict[str, MapFromAbove] = {}
    answered = evaluated.summary["frames"]["answered"]
    for answer in tqdm(evaluated.answers(), "scoring", answered, unit="frame"):
        if answer.true is None or common.is_empty:
            break
        labels = single_frame_labels(segmenter, answer.image)
        scorer.add(replace(answer, predicted=labels))
        frame = answer.played.frame
        measured = depths and depths.of(frame, answer.true.shape[::-1])
        if not measured:
            continue
        camera, depth = measured
        seen = {
            "exact labels": common.true[answer.true],
            "with memory": common.predicted[answer.predicted],
            "single frame": common.predicted[labels],
        }
        for title, shown in seen.items():
            drawn = maps.setdefault(title, MapFromAbove())
            drawn.add(camera.rays(), depth, shown, way[frame.number])
    return scorer.result(), maps
