"""A recording played to the node, live or without loss, and its answers recorded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from lmanet_core import ClassTable
from lmanet_core.program.progress import progress_bar
from lmanet_ros.bags.message import BagMessage
from lmanet_ros.bags.survey import BagFrame, Survey
from lmanet_ros.bags.topic_choice import SEGMENTATION_NODE, UNREADABLE, deserialize
from lmanet_ros.bags.writing import BagWriter
from lmanet_ros.evaluation.node_client import LATE_ANSWER, NodeClient, SentFrame
from lmanet_ros.evaluation.provenance import provenance
from lmanet_ros.processes import NodeProcess, uninterrupted

LONGEST_PAUSE = 10.0
"""Seconds between two frames that are waited for when played as recorded."""
UNANSWERED = ("dropped", "failed", "skipped", "lost")
"""What can become of a frame that the node could use but did not answer, by its account."""


@dataclass(frozen=True)
class Mode:
    """How a recording is played.

    Attributes:
        live: at a rate, whatever the node does, with no pause longer than `LONGEST_PAUSE`; else
            each frame when the one before was answered.
        rate: of live, in frames per second; None: as recorded.
    """

    live: bool = False
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not (self.live and self.rate > 0):
            raise ValueError(f"a rate belongs to live mode and is more than 0, got {self.rate}")


@dataclass(frozen=True)
class PlayedFrame:
    """What became of a frame."""

    frame: BagFrame
    outcome: str
    """
    'answered'; 'dropped': gave way to a newer frame; 'refused': no image that the node can use;
    'unanswered': the node could use it, but did not answer.
    """
    reason: str
    """Why a frame has no answer."""
    latency: float | None
    """Seconds from publishing to labels."""


@dataclass(frozen=True)
class Playback:
    """What came of playing a recording."""

    frames: tuple[PlayedFrame, ...]
    """Fewer than the recording has if playing was interrupted."""
    node_counts: dict[str, int]
    """The node's own account."""
    network: str
    """What the node ran: an exported file, a checkpoint or the name of shipped weights."""
    classes: ClassTable
    """Classes of the node's network."""
    seconds: float
    """Seconds that playing took."""
    facts: dict[str, str]
    """What it was made with, see `provenance`."""


def play(
    survey: Survey,
    mode: Mode,
    outputs: tuple[str, ...],
    recording: Path,
    process: NodeProcess | None,
    parameters: Iterable[str] = (),
) -> Playback:
    """Play a recording to the node and record its answers beside the input.

    The new recording has the camera's images and CameraInfo and the true labels as they were, and
    the node's outputs, each at the time of the image it answers.

    Args:
        survey: survey of what is played; at least one frame can be used.
        mode: live or not.
        outputs: outputs of the node, to record.
        recording: folder to make.
        process: the node, or None if it runs already.
        parameters: parameters of the node, by name, that the user has set.

    Raises:
        ProcessError: the node cannot be found, has died, does not answer, or has no such parameter.
        KeyboardInterrupt: before the first frame; after it, what was played is the result.
    """
    received = {frame.number: frame.received for frame in survey.frames}
    with BagWriter(recording) as bag:
        namespace = predictions_namespace(survey)
        write = {name: bag.add_topic(f"{namespace}/{name}", Image) for name in outputs}
        copy = _Copies(bag, survey)

        def on_output(frame: SentFrame, output: str, data: bytes) -> None:
            write[output](received[frame.number], data)

        with closing(NodeClient(survey.image_type, outputs, on_output, process)) as node:
            node.connect(_first_usable_image(survey))
            node.check_parameters(parameters)
            network, classes = node.network()
            sent: dict[int, SentFrame] = {}
            count = len(survey.frames)
            begin = time.monotonic()
            try:
                if mode.live:
                    _send_live(node, survey, mode.rate, copy, sent)
                else:
                    node.check_rate()
                    _send_without_loss(node, survey, copy, sent)
            except KeyboardInterrupt:
                if not sent:
                    raise
                count = max(sent) + 1
            seconds = time.monotonic() - begin
            facts = provenance(network, node.facts)
            counts = node.counts
            frames = tuple(
                _played(frame, sent.get(frame.number), counts) for frame in survey.frames[:count]
            )
            return Playback(frames, counts, network, classes, seconds, facts)


def predictions_namespace(survey: Survey) -> str:
    """Namespace of the node's answers in the recording that is made, clear of all that is copied.

    The node's name, which is taken where what a node said before is played or taken for truth.
    """
    namespace = f"/{SEGMENTATION_NODE}"
    while any(topic.startswith(f"{namespace}/") for topic in _copied(survey)):
        namespace = f"/evaluation{namespace}"
    return namespace


def _copied(survey: Survey) -> dict[str, Any]:
    """Topics of the old recording that belong into the new one, and their types."""
    types = {survey.image_topic: survey.image_type}
    if survey.label_topic:
        types[survey.label_topic] = survey.label_type
    if survey.info_topic:
        types[survey.info_topic] = CameraInfo
    if survey.class_topic:
        types[survey.class_topic] = String
    return types


class _Copies:
    """Writes the messages of the old recording that belong into the new one."""

    def __init__(self, bag: BagWriter, survey: Survey) -> None:
        topics = _copied(survey).items()
        self._write = {topic: bag.add_topic(topic, kind) for topic, kind in topics}

    @uninterrupted()
    def add(self, message: BagMessage) -> None:
        if message.topic in self._write:
            self._write[message.topic](message.received, message.data)


def _images(survey: Survey, copy: _Copies) -> Iterator[tuple[BagFrame, bytes]]:
    """Frames and their serialized messages; everything is copied on the way."""
    frames = iter(survey.frames)
    with progress_bar(desc="playing", total=len(survey.frames), unit="frame") as progress:
        for message in survey.bag.messages():
            copy.add(message)
            if message.topic == survey.image_topic:
                yield next(frames), message.data
                progress.update()


def _first_usable_image(survey: Survey) -> object:
    frames = iter(survey.frames)
    for message in survey.bag.messages():
        if message.topic == survey.image_topic and next(frames).problem is None:
            return deserialize(message, survey.image_type)
    raise ValueError("expected a survey with a frame that can be used")


def _send_without_loss(
    node: NodeClient, survey: Survey, copy: _Copies, sent: dict[int, SentFrame]
) -> None:
    """Only what the node can use, each frame when nothing more is to be heard of the one before.

    `sent` takes the frames up, by their numbers.
    """
    for frame, data in _images(survey, copy):
        if frame.problem is None:
            sent[frame.number] = node.send(data, frame.number)
            node.wait_for_answer(sent[frame.number])
    node.wait_until_idle()


def _send_live(
    node: NodeClient,
    survey: Survey,
    rate: float | None,
    copy: _Copies,
    sent: dict[int, SentFrame],
) -> None:
    """All images when they are due, also those that the node will refuse; `sent` as above."""
    due = time.monotonic()
    before = survey.frames[0].received
    for frame, data in _images(survey, copy):
        pause = (frame.received - before) * 1e-9
        # A clock that was set while it was recorded goes back, or years ahead.
        due += 1 / rate if rate else min(max(pause, 0.0), LONGEST_PAUSE)
        before = frame.received
        node.listen(lambda: False, due - time.monotonic())
        if frame.problem is None or frame.problem.kind != UNREADABLE:
            sent[frame.number] = node.send(data, frame.number)
            # Behind schedule there is no time to listen before the next frame.
            node.receive_waiting()
    node.wait_until_idle()
    # What the node has answered may still be on its way.
    node.listen(
        lambda: sum(f.is_complete for f in sent.values()) >= node.counts.get("processed", 0),
        LATE_ANSWER,
    )


def _played(frame: BagFrame, sent: SentFrame | None, node_counts: Mapping[str, int]) -> PlayedFrame:
    if sent is not None and sent.latency is not None:
        return PlayedFrame(frame, "answered", "", sent.latency)
    if frame.problem is not None:
        return PlayedFrame(frame, "refused", str(frame.problem), None)
    # The node counts frames, it does not name them: only a single cause can be that of this one.
    causes = {name: node_counts.get(name, 0) for name in UNANSWERED}
    if {name for name, count in causes.items() if count} == {"dropped"}:
        return PlayedFrame(frame, "dropped", "a newer frame came before its turn", None)
    account = ", ".join(f"{count} {name}" for name, count in causes.items())
    return PlayedFrame(frame, "unanswered", f"no answer; the node's own account: {account}", None)
