"""Frames, the node's labels for them and the true labels, read back from what was recorded."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image

from lmanet_ros.bags.message import BagMessage, header_stamp
from lmanet_ros.bags.reading import BagError, read_bag
from lmanet_ros.bags.survey import BagFrame, Survey
from lmanet_ros.bags.topic_choice import deserialize
from lmanet_ros.evaluation.playback import PlayedFrame, predictions_namespace
from lmanet_ros.messages.image_conversion import ImageError, to_labels, to_rgb


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
        survey: survey of what was played.
        played: what became of its frames.

    Raises:
        BagError: the recording does not have all that it is to have.
    """
    waiting = deque(frame for frame in played if frame.outcome == "answered")
    messages = _Messages(survey, list(waiting))
    for message in read_bag(recording):
        messages.add(message)
        while waiting and messages.are_complete_for(waiting[0]):
            yield messages.take(waiting.popleft())
    # Where playing was interrupted, the true labels that come after their images are missing.
    while waiting and messages.have_answer_to(waiting[0]):
        yield messages.take(waiting.popleft())
    if waiting:
        number = waiting[0].frame.number
        raise BagError(f"{recording}: expected frame {number} with its labels, they are not there")


class _Messages:
    """What has been read but not been handed on: topics need not be recorded in step.

    Frames are told apart by stamp and receipt. Some recordings have frames that share both: they
    come in the order of their numbers, and share their true labels. Where frames share nothing but
    the stamp, the labels are those of the first.
    """

    def __init__(self, survey: Survey, answered: Sequence[PlayedFrame]) -> None:
        self._survey = survey
        self._predicted_topic = f"{predictions_namespace(survey)}/labels"
        frames = [played.frame for played in answered]
        self._answered = {frame.number for frame in frames}
        self._image_numbers = _numbers_by_key(survey.frames)
        self._predicted_numbers = _numbers_by_key(frames)
        first = {frame.stamp: _key(frame) for frame in reversed(survey.frames)}
        # Numbers of the frames that are still to be compared with the labels of a stamp.
        self._to_compare: dict[int, set[int]] = defaultdict(set)
        for frame in frames:
            if frame.stamp in survey.label_stamps and _key(frame) == first[frame.stamp]:
                self._to_compare[frame.stamp].add(frame.number)
        self._images: dict[int, BagMessage] = {}
        self._predicted: dict[int, BagMessage] = {}
        self._true: dict[int, BagMessage] = {}

    def add(self, message: BagMessage) -> None:
        stamp = header_stamp(message.data)
        key = (message.received, stamp)
        if message.topic == self._predicted_topic:
            self._predicted[self._predicted_numbers[key].popleft()] = message
        elif message.topic == self._survey.image_topic:
            # What is no image has no stamp by which it could be known.
            number = self._image_numbers[key].popleft() if key in self._image_numbers else None
            if number in self._answered:
                self._images[number] = message
        elif message.topic == self._survey.label_topic and stamp in self._to_compare:
            self._true.setdefault(stamp, message)

    def are_complete_for(self, played: PlayedFrame) -> bool:
        number, stamp = played.frame.number, played.frame.stamp
        is_labelled = number in self._to_compare.get(stamp, ())
        return self.have_answer_to(played) and (not is_labelled or stamp in self._true)

    def have_answer_to(self, played: PlayedFrame) -> bool:
        """Whether image and predicted labels are there."""
        number = played.frame.number
        return number in self._images and number in self._predicted

    def take(self, played: PlayedFrame) -> AnsweredFrame:
        number, stamp = played.frame.number, played.frame.stamp
        image = deserialize(self._images.pop(number), self._survey.image_type)
        labels = deserialize(self._predicted.pop(number), Image)
        true, problem = None, None
        if number in self._to_compare.get(stamp, ()) and stamp in self._true:
            try:
                true = to_labels(deserialize(self._true[stamp], self._survey.label_type))
            except ImageError as error:
                problem = str(error)
            self._to_compare[stamp].remove(number)
            if not self._to_compare[stamp]:
                del self._to_compare[stamp], self._true[stamp]
        return AnsweredFrame(played, to_rgb(image), to_labels(labels), true, problem)


def _numbers_by_key(frames: Iterable[BagFrame]) -> dict[tuple[int, int], deque[int]]:
    numbers: dict[tuple[int, int], deque[int]] = {}
    for frame in frames:
        numbers.setdefault(_key(frame), deque()).append(frame.number)
    return numbers


def _key(frame: BagFrame) -> tuple[int, int]:
    return frame.received, frame.stamp
