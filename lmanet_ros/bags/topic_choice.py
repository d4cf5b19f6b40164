"""The topics of a recording: what is on them, and which are the camera's and the truth's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from lmanet_core import ClassTable
from lmanet_ros.bags.message import CDR, BagMessage
from lmanet_ros.bags.reading import Bag, BagError
from lmanet_ros.messages.class_json import from_json
from lmanet_ros.messages.depth_image import DEPTH_ENCODINGS
from lmanet_ros.messages.image_conversion import ImageError, check, to_rgb
from lmanet_ros.messages.message_types import type_name
from lmanet_ros.messages.node_outputs import OUTPUTS

IMAGE_TYPES = {type_name(Image): Image, type_name(CompressedImage): CompressedImage}
LABEL_NAMES = ("ground_truth", "labels", "label")
"""Last part of the names of topics that hold true labels."""
NO_LABELS = "none"
"""Stands in place of a topic where there is no truth."""
UNREADABLE = "unreadable message"
SEGMENTATION_NODE = "segmentation_node"
_IDENTIFYING = {output.name for output in OUTPUTS if output.identifies_node}
# As `_problem` ends for what is no picture.
_DEPTH_PROBLEMS = tuple(f"'{encoding}'" for encoding in DEPTH_ENCODINGS)
_VIDEO_TYPES = (
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
    "foxglove_msgs/msg/CompressedVideo",
    "foxglove.CompressedVideo",
    "theora_image_transport/msg/Packet",
)


@dataclass(frozen=True)
class TopicOptions:
    """What the user calls the choice of a topic."""

    image: str = "--image-topic"
    labels: str = "--label-topic"


@dataclass(frozen=True)
class Topic:
    """A topic of a recording."""

    name: str
    message_type: str
    """With ' in' and the encoding, if that is not CDR."""
    problem: str = ""
    """Why there are no images on it that a node can use; empty: there are."""

    def __str__(self) -> str:
        return f"{self.name} ({self.problem or self.message_type})"

    @property
    def base_name(self) -> str:
        """Name of the topic that image_transport compresses."""
        return self.name.removesuffix("/compressed")

    @property
    def namespace(self) -> str:
        return self.base_name.rpartition("/")[0]

    @property
    def last_part(self) -> str:
        return self.base_name.rpartition("/")[2]

    @property
    def is_image(self) -> bool:
        """Whether its type is that of images, of whatever kind."""
        return self.message_type in IMAGE_TYPES

    def sibling(self, name: str) -> str:
        return f"{self.namespace}/{name}"


@dataclass(frozen=True)
class Topics:
    """All topics of a recording."""

    topics: tuple[Topic, ...]
    """Topics in the order of their names."""
    classes: Mapping[str, ClassTable]
    """The class tables that are among the messages, by topic."""
    notes: tuple[str, ...]
    """What cannot be read."""

    def type_of(self, name: str | None) -> str | None:
        return next((topic.message_type for topic in self.topics if topic.name == name), None)


def list_topics(bag: Bag) -> Topics:
    """Look at every message of a recording, and into the images until one can be used."""
    notes: list[str] = []
    topics: dict[str, Topic] = {}
    classes: dict[str, ClassTable] = {}
    for message in bag.messages(notes.append):
        known = topics.get(message.topic)
        if known is None or (known.is_image and known.problem):
            found = Topic(message.topic, _type(message), _problem(message))
            topics[message.topic] = found if known is None or not found.problem else known
        if message.topic.endswith("/classes") and message.message_type == type_name(String):
            try:
                classes[message.topic] = from_json(deserialize(message, String).data)
            except ValueError as error:
                notes.append(f"{message.topic}: {error}")
    ordered = tuple(topics[name] for name in sorted(topics))
    return Topics(ordered, classes, tuple(notes))


def choose_image_topic(
    topics: Topics, chosen: str | None, labels: str | None, options: TopicOptions
) -> Topic:
    """The camera's topic.

    Args:
        topics: topics of the recording.
        chosen: by the user; None: the only one with images that are neither labels nor outputs of
            a segmentation node.
        labels: topic of true labels that the user has chosen.
        options: how to tell the user.

    Raises:
        BagError: there is no such topic, or several.
    """
    if chosen is not None:
        return _find(topics, chosen, options.image)
    candidates = [
        topic
        for topic in topics.topics
        if topic.is_image
        and not topic.problem
        and topic.name != labels
        and topic.last_part not in LABEL_NAMES
        and not is_node_output(topic, topics)
    ]
    if not candidates:
        raise BagError(f"no images of a camera: {_inventory(topics, options)}")
    if len(candidates) > 1:
        raise BagError(
            f"expected one topic with images, found {_listed(candidates)}; "
            f"choose one with {options.image}"
        )
    return candidates[0]


def choose_label_topic(
    topics: Topics, chosen: str | None, image: Topic, options: TopicOptions
) -> Topic | None:
    """The topic of true labels.

    Args:
        topics: topics of the recording.
        chosen: by the user; `NO_LABELS`: none; None: one with a name out of `LABEL_NAMES`, if
            there is any, first of all beside the images. What a segmentation node says is no truth.
        image: the camera's topic.
        options: how to tell the user.

    Raises:
        BagError: there is no such topic, or several that are as good.
    """
    if chosen == NO_LABELS:
        return None
    if chosen is not None:
        return _find(topics, chosen, options.labels)
    named = [
        topic
        for topic in _label_topics(topics)
        if topic != image and not is_node_output(topic, topics)
    ]
    beside = [topic for topic in named if topic.namespace == image.namespace]
    for name in LABEL_NAMES:
        candidates = [topic for topic in beside or named if topic.last_part == name]
        if len(candidates) > 1:
            raise BagError(
                f"expected one topic with true labels, found {_listed(candidates)}; choose one "
                f"with {options.labels}, or {NO_LABELS}"
            )
        if candidates:
            return candidates[0]
    return None


def choose_depth_topic(topics: Topics, chosen: str | None, image: Topic) -> Topic | None:
    """The topic of depth images that are registered to the camera.

    Args:
        topics: topics of the recording.
        chosen: by the user; `NO_LABELS`: none; None: the one beside the images, or the only one.
        image: the camera's topic.

    Raises:
        BagError: there is no such topic.
    """
    if chosen == NO_LABELS:
        return None
    if chosen is not None:
        return _find(topics, chosen, "--depth-topic")
    depths = [topic for topic in topics.topics if topic.problem.endswith(_DEPTH_PROBLEMS)]
    beside = [topic for topic in depths if topic.namespace == image.namespace]
    for candidates in (beside, depths):
        if len(candidates) == 1:
            return candidates[0]
    return None


def is_node_output(topic: Topic, topics: Topics) -> bool:
    """Whether a topic looks like one that a segmentation node publishes, under whatever name."""
    return SEGMENTATION_NODE in topic.namespace.split("/") or any(
        topic.namespace == other.namespace and other.last_part in _IDENTIFYING
        for other in topics.topics
        if other.is_image
    )


def notes_on_labels(
    topics: Topics, chosen: str | None, image: Topic, labels: Topic | None, options: TopicOptions
) -> list[str]:
    """What the user should know of where the truth is from.

    Args:
        topics, chosen, image, options: as of `choose_label_topic`.
        labels: what came of that.
    """
    if chosen == NO_LABELS:
        return []
    if labels and is_node_output(labels, topics):
        return [f"what is taken for truth is what a segmentation node said: {labels.name}"]
    outputs = [topic for topic in _label_topics(topics) if is_node_output(topic, topics)]
    notes = [
        f"{topic.name} is what a segmentation node said and not taken for truth; "
        f"{options.labels} takes it"
        for topic in outputs
    ]
    if labels and chosen is None and labels.namespace != image.namespace:
        notes.append(
            f"{labels.name} is taken for truth by its name alone, it is not beside the images; "
            f"{options.labels} {NO_LABELS} leaves it out"
        )
    return notes


def deserialize(message: BagMessage, message_type: Any) -> Any:
    """The message as an object of its class.

    Raises:
        ImageError: its bytes are no such message.
    """
    try:
        return deserialize_message(message.data, message_type)
    except Exception as error:  # Whatever the middleware raises.
        raise ImageError(UNREADABLE, f"{len(message.data)} bytes ({error})") from None


def _type(message: BagMessage) -> str:
    name = message.message_type
    return name if message.encoding == CDR else f"{name} in {message.encoding}"


def _problem(message: BagMessage) -> str:
    """Why a message is no image that a node can use."""
    if message.message_type in _VIDEO_TYPES:
        return f"{message.message_type}: video packets, which have to be decoded to images first"
    if _type(message) not in IMAGE_TYPES:
        return _type(message)
    try:
        image = deserialize(message, IMAGE_TYPES[message.message_type])
    except ImageError as error:
        return error.kind
    try:
        check(image)
        to_rgb(image)
    except ImageError as error:
        kind = image.encoding if isinstance(image, Image) else image.format
        return f"{error.kind}, '{kind}'"
    return ""


def _label_topics(topics: Topics) -> list[Topic]:
    return [topic for topic in topics.topics if topic.is_image and topic.last_part in LABEL_NAMES]


def _find(topics: Topics, name: str, option: str) -> Topic:
    images = [topic for topic in topics.topics if topic.is_image]
    for topic in images:
        if topic.name == name:
            return topic
    got = next((str(topic) for topic in topics.topics if topic.name == name), f"'{name}'")
    expected = f"{option}: expected one of the topics with images, {_listed(images)}, got {got}"
    raise BagError("; ".join([expected, *topics.notes]))


def _inventory(topics: Topics, options: TopicOptions) -> str:
    """What there is, for somebody who missed something."""
    parts = list(topics.notes)
    parts.append(f"there is {', '.join(map(str, topics.topics))}" if topics.topics else "no topics")
    if any(topic.is_image and not topic.problem for topic in topics.topics):
        parts.append(f"labels and what a segmentation node said need {options.image}")
    return "; ".join(parts)


def _listed(topics: Iterable[Topic]) -> str:
    return ", ".join(topic.name for topic in topics) or "none"
