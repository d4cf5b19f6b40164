"""What a recording holds, found before anything of it is played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from lmanet_core import ClassTable
from lmanet_ros.bags.reading import BagError, BagMessage, header_stamp, read_bag
from lmanet_ros.bags.writing import type_name
from lmanet_ros.class_json import from_json
from lmanet_ros.image_conversion import ImageError, check, to_rgb

IMAGE_TYPES = {type_name(Image): Image, type_name(CompressedImage): CompressedImage}
LABEL_NAMES = ("ground_truth", "labels", "label")
"""Last part of the names of topics that hold true labels."""
UNREADABLE = "unreadable message"
GAP = 3.0
"""A pause this many times as long as the usual one between two frames is told."""


@dataclass(frozen=True)
class BagFrame:
    """An image message of a recording."""

    number: int
    """From 0, among all of its topic."""
    stamp: int
    """Of its header, nanoseconds."""
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

    path: Path
    image_topic: str
    image_type: Any
    """Image or CompressedImage."""
    label_topic: str | None
    label_type: Any
    info_topic: str | None
    """Of the camera's CameraInfo."""
    class_topic: str | None
    classes: ClassTable | None
    """What the true labels mean, if the recording says so."""
    frames: tuple[BagFrame, ...]
    label_stamps: frozenset[int]
    """Of the frames whose true labels are there."""
    notes: tuple[str, ...] = field(default=())
    """What is damaged, missing or changes."""


def survey_bag(
    path: Path, image_topic: str | None = None, label_topic: str | None = None
) -> Survey:
    """Look at every message once, and at every image of the camera.

    Args:
        path: a rosbag2.
        image_topic: of the camera; None: the only topic with images that are no labels.
        label_topic: of the true labels; None: the topic with a name out of `LABEL_NAMES`, if any.

    Raises:
        BagError: there is no recording, or no such topic in it, or several from which to choose.
    """
    notes: list[str] = []
    types, classes = _list_topics(path, notes)
    label_topic = _label_topic(types, label_topic)
    image_topic = _image_topic(types, image_topic, label_topic)
    class_topic = _sibling(label_topic, "classes") if label_topic else None
    frames, label_stamps = _list_frames(path, image_topic, label_topic, types)
    return Survey(
        path=path,
        image_topic=image_topic,
        image_type=IMAGE_TYPES[types[image_topic]],
        label_topic=label_topic,
        label_type=IMAGE_TYPES[types[label_topic]] if label_topic else None,
        info_topic=_info_topic(types, image_topic),
        class_topic=class_topic if class_topic in classes else None,
        classes=classes.get(class_topic) if class_topic else None,
        frames=frames,
        label_stamps=label_stamps,
        notes=(*notes, *_irregularities(frames)),
    )


def find_image_type(
    path: Path, image_topic: str | None = None, label_topic: str | None = None
) -> Any:
    """Image or CompressedImage, whichever the camera's images are; arguments as of `survey_bag`."""
    types, _ = _list_topics(path, [])
    topic = _image_topic(types, image_topic, _label_topic(types, label_topic))
    return IMAGE_TYPES[types[topic]]


def _list_topics(path: Path, notes: list[str]) -> tuple[dict[str, str], dict[str, ClassTable]]:
    """Type of each topic, and the class tables that are among the messages."""
    types: dict[str, str] = {}
    classes: dict[str, ClassTable] = {}
    for message in read_bag(path, notes.append):
        types[message.topic] = message.message_type
        if message.topic.endswith("/classes") and message.message_type == type_name(String):
            try:
                classes[message.topic] = from_json(deserialize(message, String).data)
            except ValueError as error:
                notes.append(f"{message.topic}: {error}")
    return types, classes


def deserialize(message: BagMessage, message_type: Any) -> Any:
    """The message as an object of its class.

    Raises:
        ImageError: its bytes are no such message.
    """
    try:
        return deserialize_message(message.data, message_type)
    except Exception as error:  # Whatever the middleware raises.
        raise ImageError(UNREADABLE, f"{len(message.data)} bytes ({error})") from None


def _label_topic(types: Mapping[str, str], chosen: str | None) -> str | None:
    if chosen is not None:
        return _checked(types, chosen, "label_topic")
    named = [
        topic
        for name in LABEL_NAMES
        for topic in _image_topics(types)
        if _base_name(topic).rpartition("/")[2] == name
    ]
    return named[0] if named else None


def _image_topic(types: Mapping[str, str], chosen: str | None, label_topic: str | None) -> str:
    if chosen is not None:
        return _checked(types, chosen, "image_topic")
    candidates = [topic for topic in _image_topics(types) if topic != label_topic]
    if len(candidates) != 1:
        raise BagError(
            f"expected one topic with images, found {_listed(candidates)}; "
            f"choose one with image_topic"
        )
    return candidates[0]


def _checked(types: Mapping[str, str], topic: str, argument: str) -> str:
    if types.get(topic) not in IMAGE_TYPES:
        raise BagError(
            f"{argument}: expected one of the topics with images, {_listed(_image_topics(types))}, "
            f"got '{topic}'"
        )
    return topic


def _image_topics(types: Mapping[str, str]) -> list[str]:
    return sorted(topic for topic, kind in types.items() if kind in IMAGE_TYPES)


def _listed(topics: Iterable[str]) -> str:
    return ", ".join(topics) or "none"


def _base_name(topic: str) -> str:
    """Name of the topic that image_transport compresses."""
    return topic.removesuffix("/compressed")


def _sibling(topic: str, name: str) -> str:
    return f"{_base_name(topic).rpartition('/')[0]}/{name}"


def _info_topic(types: Mapping[str, str], image_topic: str) -> str | None:
    topic = _sibling(image_topic, "camera_info")
    return topic if types.get(topic) == type_name(CameraInfo) else None


def _list_frames(
    path: Path, image_topic: str, label_topic: str | None, types: Mapping[str, str]
) -> tuple[tuple[BagFrame, ...], frozenset[int]]:
    frames: list[BagFrame] = []
    label_stamps = set()
    for message in read_bag(path):
        if message.topic == image_topic:
            frames.append(_inspect(message, len(frames), IMAGE_TYPES[types[image_topic]]))
        elif message.topic == label_topic:
            label_stamps.add(header_stamp(message.data))
    stamps = {frame.stamp for frame in frames}
    return tuple(frames), frozenset(stamps & label_stamps)


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
