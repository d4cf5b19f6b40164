"""Frames, the node's labels for them and the true labels, read back from what was recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image

from lmanet_ros.bags.reading import BagMessage, header_stamp, read_bag
from lmanet_ros.bags.survey import Survey, deserialize
from lmanet_ros.evaluation.playback import PREDICTED_LABELS, PlayedFrame
from lmanet_ros.image_conversion import ImageError, to_labels, to_rgb


@dataclass(frozen=True)
class AnsweredFrame:
    """A frame that the node answered."""

    played: PlayedFrame
    image: np.ndarray
    """(H, W, 3) uint8, RGB."""
    predicted: np.ndarray
    """(H, W) uint8."""
    true: np.ndarray | None
    """(H, W) uint8, as recorded; None where there is no truth that can be used."""
    label_problem: str | None
    """Why true labels that are there cannot be used."""


def answered_frames(
    recording: Path, survey: Survey, played: Sequence[PlayedFrame]
) -> Iterator[AnsweredFrame]:
    """All answered frames in the order of their numbers.

    Args:
        recording: what `play` made.
        survey: of what was played.
        played: what became of its frames.
    """
    waiting = deque(frame for frame in played if frame.outcome == "answered")
    messages = _Messages(survey, list(waiting))
    for message in read_bag(recording):
        messages.add(message)
        while waiting and messages.are_complete_for(waiting[0]):
            yield messages.take(waiting.popleft())


class _Messages:
    """What has been read but not been handed on: topics need not be recorded in step."""

    def __init__(self, survey: Survey, answered: Sequence[PlayedFrame]) -> None:
        self._survey = survey
        # Where several frames share a stamp, the labels are those of the first.
        first = {frame.frame.stamp: frame.frame.number for frame in reversed(answered)}
        self._label_stamps = survey.label_stamps & first.keys()
        self._labelled = {first[stamp] for stamp in self._label_stamps}
        self._images: dict[tuple[int, int], BagMessage] = {}
        self._predicted: dict[tuple[int, int], BagMessage] = {}
        self._true: dict[int, BagMessage] = {}
        self._keys = {_key(frame) for frame in answered}

    def add(self, message: BagMessage) -> None:
        if message.topic == PREDICTED_LABELS:
            self._predicted[message.received, header_stamp(message.data)] = message
        elif message.topic == self._survey.image_topic:
            key = (message.received, header_stamp(message.data))
            if key in self._keys:
                self._images[key] = message
        elif message.topic == self._survey.label_topic:
            stamp = header_stamp(message.data)
            if stamp in self._label_stamps:
                self._true.setdefault(stamp, message)

    def are_complete_for(self, frame: PlayedFrame) -> bool:
        key = _key(frame)
        return (
            key in self._images
            and key in self._predicted
            and (frame.frame.number not in self._labelled or frame.frame.stamp in self._true)
        )

    def take(self, frame: PlayedFrame) -> AnsweredFrame:
        key = _key(frame)
        image = deserialize(self._images.pop(key), self._survey.image_type)
        labels = deserialize(self._predicted.pop(key), Image)
        true, problem = None, None
        if frame.frame.number in self._labelled:
            try:
                message = self._true.pop(frame.frame.stamp)
                true = to_labels(deserialize(message, self._survey.label_type))
            except ImageError as error:
                problem = str(error)
        return AnsweredFrame(frame, to_rgb(image), to_labels(labels), true, problem)


def _key(frame: PlayedFrame) -> tuple[int, int]:
    return frame.frame.received, frame.frame.stamp
