"""The images of a recording, for programs that take any video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lmanet_ros.bags.reading import Bag, BagError
from lmanet_ros.bags.survey import Survey, survey_bag
from lmanet_ros.bags.topic_choice import deserialize
from lmanet_ros.messages.image_conversion import to_rgb


def read_frames(path: Path, topic: str | None = None) -> Iterator[np.ndarray]:
    """Frames of a camera of a rosbag2 as (H, W, 3) uint8, RGB.

    Frames that cannot be used, or that have another size than the first, are left out.

    Args:
        path: a rosbag2, or a file of one.
        topic: topic of the camera; None: the only one.

    Raises:
        BagError: there is no recording, no image in it that can be used, no such topic, or several
            cameras; after the last frame: the recording is damaged, so that frames are missing.
    """
    survey = survey_bag(Bag(path), topic)
    sizes = [frame.size for frame in survey.frames if frame.problem is None]
    if not sizes:
        raise BagError(f"none of {len(survey.frames)} frames of {survey.image_topic} is usable")
    return _read(survey, {f.number for f in survey.frames if not f.problem and f.size == sizes[0]})


def _read(survey: Survey, usable: set[int]) -> Iterator[np.ndarray]:
    damage: list[str] = []
    with survey.bag as bag:
        messages = bag.messages(damage.append)
        images = (message for message in messages if message.topic == survey.image_topic)
        for number, message in enumerate(images):
            if number in usable:
                yield to_rgb(deserialize(message, survey.image_type))
    if damage:
        raise BagError(f"{survey.path} is damaged, frames may be missing: {'; '.join(damage)}")
