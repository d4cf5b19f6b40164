"""What a recording holds, found before anything of it is played."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from sensor_msgs.msg import CameraInfo

from lmanet_core import ClassTable
from lmanet_ros.bags.message import BagMessage, header_stamp
from lmanet_ros.bags.reading import Bag
from lmanet_ros.bags.topic_choice import (
    IMAGE_TYPES,
    Topic,
    TopicOptions,
    choose_depth_topic,
    choose_image_topic,
    choose_label_topic,
    deserialize,
    list_topics,
    notes_on_labels,
)
from lmanet_ros.messages.image_conversion import ImageError, check, to_rgb
from lmanet_ros.messages.message_types import type_name

GAP = 3.0
"""A pause this many times as long as the usual one between two frames is told."""


@dataclass(frozen=True)
class BagFrame:
    """An image message of a recording."""

    number: int
    """From 0, among all of its topic."""
    stamp: int
    """Stamp of its header, in nanoseconds."""
    received: int
    """When it was recorded, nanoseconds."""
    frame_id: str
    size: tuple[int, int] | None
    """(width, height); None if that cannot be told."""
    problem: ImageError | None
    """Why no node can use it."""


@dataclass(frozen=True)
class Survey:
    """A recording, the topics of it that matter, and all frames of its camera."""

    bag: Bag
    image_topic: str
    image_type: Any
    """Image or CompressedImage."""
    label_topic: str | None
    label_type: Any
    info_topic: str | None
    """Topic of the camera's CameraInfo."""
    class_topic: str | None
    classes: ClassTable | None
    """What the true labels mean, if the recording says so."""
    frames: tuple[BagFrame, ...]
    label_stamps: frozenset[int]
    """Stamps of the frames that have true labels."""
    images_sha256: str
    """Hash of all messages of the camera. Copies of a recording have the same, whatever their
    names."""
    depth_topic: str | None = None
    """Topic of depth images that are registered to the camera."""
    depth_info_topic: str | None = None
    """Topic of their calibration."""
    notes: tuple[str, ...] = field(default=())
    """What is damaged, missing or changes."""

    @property
    def path(self) -> Path:
        return self.bag.path


def survey_bag(
    bag: Bag,
    image_topic: str | None = None,
    label_topic: str | None = None,
    depth_topic: str | None = None,
) -> Survey:
    """Look at every message once, and at every image of the camera.

    Args:
        bag: a recording.
        image_topic: topic of the camera; None: the only one, see `choose_image_topic`.
        label_topic: topic of the true labels; None: found by its name, see `choose_label_topic`;
            `NO_LABELS`: none.
        depth_topic: topic of depth; None: found, see `choose_depth_topic`; `NO_LABELS`: none.

    Raises:
        BagError: there is no such topic in it, or several from which to choose.
    """
    options = TopicOptions()
    topics = list_topics(bag)
    image = choose_image_topic(topics, image_topic, label_topic, options)
    labels = choose_label_topic(topics, label_topic, image, options)
    frames, label_stamps, images_sha256 = _list_frames(bag, image, labels)
    class_topic = labels.sibling("classes") if labels else None
    info_topic = image.sibling("camera_info")
    depth = choose_depth_topic(topics, depth_topic, image)
    depth_info = depth.sibling("camera_info") if depth else None
    return Survey(
        bag=bag,
        image_topic=image.name,
        image_type=IMAGE_TYPES[image.message_type],
        label_topic=labels.name if labels else None,
        label_type=IMAGE_TYPES[labels.message_type] if labels else None,
        info_topic=info_topic if topics.type_of(info_topic) == type_name(CameraInfo) else None,
        class_topic=class_topic if class_topic in topics.classes else None,
        classes=topics.classes.get(class_topic) if class_topic else None,
        frames=frames,
        label_stamps=label_stamps,
        images_sha256=images_sha256,
        depth_topic=depth.name if depth else None,
        depth_info_topic=(
            depth_info if topics.type_of(depth_info) == type_name(CameraInfo) else info_topic
        ),
        notes=(
            *topics.notes,
            *notes_on_labels(topics, label_topic, image, labels, options),
            *_irregularities(frames),
        ),
    )


def find_image_type(
    path: Path, image_topic: str | None, label_topic: str | None, options: TopicOptions
) -> Any:
    """Image or CompressedImage, whichever the camera's images are.

    Args:
        path: path of a recording.
        image_topic, label_topic: as of `survey_bag`.
        options: what the user calls them.

    Raises:
        BagError: as of `survey_bag`.
    """
    with Bag(path) as bag:
        image = choose_image_topic(list_topics(bag), image_topic, label_topic, options)
    return IMAGE_TYPES[image.message_type]


def _list_frames(
    bag: Bag, image_topic: Topic, label_topic: Topic | None
) -> tuple[tuple[BagFrame, ...], frozenset[int], str]:
    frames: list[BagFrame] = []
    label_stamps = set()
    digest = hashlib.sha256()
    image_type = IMAGE_TYPES[image_topic.message_type]
    for message in bag.messages():
        if message.topic == image_topic.name:
            frames.append(_inspect(message, len(frames), image_type))
            digest.update(message.data)
        elif label_topic and message.topic == label_topic.name:
            label_stamps.add(header_stamp(message.data))
    stamps = {frame.stamp for frame in frames}
    return tuple(frames), frozenset(stamps & label_stamps), digest.hexdigest()


def _inspect(message: BagMessage, number: int, message_type: Any) -> BagFrame:
    """Decode an image to see whether a node can."""
    stamp, frame_id, size, problem = message.received, "", None, None
    try:
        image = deserialize(message, message_type)
        stamp, frame_id = header_stamp(message.data), image.header.frame_id
        check(image)
        height, width = to_rgb(image).shape[:2]
        size = (width, height)
    except ImageError as error:
        problem = error
    return BagFrame(number, stamp, message.received, frame_id, size, problem)


def _irregularities(frames: Iterable[BagFrame]) -> list[str]:
    """What the camera did that cameras do not do."""
    usable = [frame for frame in frames if frame.problem is None]
    notes = []
    if repeated := [
        stamp for stamp, times in Counter(f.stamp for f in usable).items() if times > 1
    ]:
        notes.append(f"{len(repeated)} stamps are those of more than one frame")
    steps = [after.stamp - before.stamp for before, after in pairwise(usable)]
    usual = median([step for step in steps if step > 0] or [0])
    for (before, after), step in zip(pairwise(usable), steps, strict=True):
        place = f"between frames {before.number} and {after.number}"
        if step < 0:
            notes.append(f"{place} time goes back by {-step / 1e9:.3f} s")
        elif step > GAP * usual:
            notes.append(f"{place} lies a gap of {step / 1e9:.3f} s")
        if before.size != after.size:
            notes.append(f"{place} the size changes from {_size(before)} to {_size(after)}")
    return notes


def _size(frame: BagFrame) -> str:
    return "x".join(map(str, frame.size or ()))
