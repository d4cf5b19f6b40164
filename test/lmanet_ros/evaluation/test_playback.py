"""Recordings played to a node that does what it is told and counts it."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rclpy
from bag_files import noise_message, write_messages
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import String

from lmanet_core import CITYSCAPES, ClassTable
from lmanet_ros.bags.reading import Bag, BagError
from lmanet_ros.bags.survey import survey_bag
from lmanet_ros.evaluation import node_client
from lmanet_ros.evaluation import playback as player
from lmanet_ros.evaluation.answers import answered_frames
from lmanet_ros.evaluation.node_client import QUEUE_DEPTH, WARM_UP_FRAME_ID
from lmanet_ros.evaluation.playback import Mode, Playback, play
from lmanet_ros.messages.class_json import to_json
from lmanet_ros.messages.image_conversion import from_array
from lmanet_ros.node.publishing.class_topics import LATCHED
from lmanet_ros.processes import ProcessError

COUNTERS = ("received", "processed", "dropped", "skipped", "refused", "failed", "lost")
TWO_CLASSES = ClassTable(("floor", "robot"), ((1, 2, 3), (4, 5, 6)))
BEHIND_SCHEDULE = Mode(live=True, rate=1e6)


class StandIn:
    """Answers each image with itself, as soon as it comes, as `segmentation_node` would.

    Args:
        checkpoint: what it says it runs.
        fate: what becomes of the frame that came as number n, by name of a counter.
        topic: that it listens to.
        max_rate: its parameter.
        classes: that it publishes; None: it does not.
    """

    def __init__(
        self,
        checkpoint: Path,
        fate: Callable[[int], str],
        topic: str = "image",
        max_rate: float = 0.0,
        classes: ClassTable | None = TWO_CLASSES,
    ) -> None:
        self.node = rclpy.create_node("segmentation_node")
        self.node.declare_parameter("checkpoint", str(checkpoint))
        self.node.declare_parameter("max_rate", max_rate)
        self._topic = topic
        self._fate = fate
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self._frames = 0
        if classes is not None:
            latched = self.node.create_publisher(String, "segmentation_node/classes", LATCHED)
            latched.publish(String(data=to_json(classes)))
        self._labels = self.node.create_publisher(Image, "segmentation_node/labels", 1000)
        self._diagnostics = self.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.node.create_subscription(Image, topic, self._receive, 1000)
        self.node.create_timer(0.1, self._report)

    def _receive(self, image: Image) -> None:
        fate = "processed"
        if image.header.frame_id != WARM_UP_FRAME_ID:
            fate = self._fate(self._frames)
            self._frames += 1
        self._counts.update({"received": 1, fate: 1})
        if fate == "processed":
            image.encoding, image.step, image.data = "mono8", image.width, image.data[::3]
            self._labels.publish(image)

    def _report(self) -> None:
        # Another camera's node, by a name that begins alike.
        other = self._status("/segmentation_node_2: segmentation", dict.fromkeys(COUNTERS, 10**6))
        own = self._status("/segmentation_node: segmentation", self._counts)
        self._diagnostics.publish(DiagnosticArray(status=[own, other]))
        self._diagnostics.publish(DiagnosticArray(status=[other]))

    def _status(self, name: str, counts: dict[str, int]) -> DiagnosticStatus:
        values = [KeyValue(key=key, value=str(value)) for key, value in counts.items()]
        return DiagnosticStatus(
            name=name, message="segmenting", hardware_id=self._topic, values=values
        )


@contextmanager
def running(stand_in: StandIn) -> Iterator[None]:
    executor = SingleThreadedExecutor()
    executor.add_node(stand_in.node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()
        stand_in.node.destroy_node()


@pytest.fixture
def played(tmp_path, checkpoint) -> Callable[..., Playback]:
    """Plays a number of frames to a node."""

    def run(
        count: int,
        mode: Mode,
        fate: Callable[[int], str],
        parameters: tuple[str, ...] = (),
        **options: object,
    ) -> Playback:
        frames = (("/image", noise_message(1 + number / 10)) for number in range(count))
        survey = survey_bag(Bag(write_messages(tmp_path / "bag", frames)))
        with running(StandIn(checkpoint, fate, **options)):
            return play(survey, mode, ("labels",), tmp_path / "predictions", None, parameters)

    return run


def processed(number: int) -> str:
    return "processed"


def outcomes(playback: Playback) -> Counter[str]:
    return Counter(frame.outcome for frame in playback.frames)


def test_answers_are_received_while_playing_is_behind_schedule(played):
    playback = played(6 * QUEUE_DEPTH, BEHIND_SCHEDULE, processed)
    assert playback.node_counts["processed"] > 2 * QUEUE_DEPTH
    assert outcomes(playback)["answered"] == playback.node_counts["processed"]


def test_the_account_is_that_of_the_node_and_no_other(played):
    playback = played(5, Mode(), processed)
    assert outcomes(playback) == {"answered": 5}
    assert playback.node_counts == {
        **dict.fromkeys(COUNTERS, 0),
        "received": 5,
        "processed": 5,
    }


def test_classes_are_those_that_the_node_publishes(played, checkpoint):
    playback = played(2, Mode(), processed)
    assert playback.classes == TWO_CLASSES
    assert playback.network == str(checkpoint)


def test_of_a_node_that_publishes_none_the_classes_are_those_in_its_file(played, monkeypatch):
    monkeypatch.setattr(node_client, "CLASSES_TIMEOUT", 0.5)
    assert played(2, Mode(), processed, classes=None).classes == CITYSCAPES


# Live, frames go on being sent until the node has taken the third one.
@pytest.mark.parametrize(("mode", "most"), [(Mode(), 4), (Mode(live=True, rate=10), 49)])
def test_what_was_played_before_an_interruption_counts(played, mode, most):
    def fate(number: int) -> str:
        if number == 2:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return "processed"

    playback = played(50, mode, fate)
    assert 2 <= outcomes(playback)["answered"] <= len(playback.frames) <= most


def test_frames_gave_way_to_newer_ones_if_the_node_knows_no_other_reason(played):
    playback = played(4, BEHIND_SCHEDULE, lambda number: "dropped" if number == 1 else "processed")
    assert [frame.outcome for frame in playback.frames][1] == "dropped"
    assert playback.frames[1].reason == "a newer frame came before its turn"


@pytest.mark.parametrize("mode", [Mode(), BEHIND_SCHEDULE])
def test_of_several_reasons_none_is_claimed_for_a_frame(played, mode):
    fates = ("processed", "dropped", "failed", "skipped")
    playback = played(4, mode, lambda number: fates[number])
    assert [frame.outcome for frame in playback.frames] == ["answered"] + 3 * ["unanswered"]
    assert {frame.reason for frame in playback.frames[1:]} == {
        "no answer; the node's own account: 1 dropped, 1 failed, 1 skipped, 0 lost"
    }


@pytest.mark.parametrize("mode", [Mode(), BEHIND_SCHEDULE])
def test_frames_that_share_stamp_and_receipt_are_all_answered_and_scored(
    tmp_path, checkpoint, mode
):
    frames = [noise_message(stamp) for stamp in (1.0, 1.1, 1.1, 1.1, 1.2)]
    for frame in frames[2:4]:
        frame.data = frame.data[::-1]
    frames[3].header.stamp.nanosec = frames[2].header.stamp.nanosec
    # What a node said is truth if it is named, and the new answers go elsewhere.
    truth = "/segmentation_node/labels"
    messages = [("/image", frame) for frame in frames]
    messages[2:2] = [(truth, from_array(np.zeros((32, 64), np.uint8), frames[1].header))]
    bag = write_messages(tmp_path / "bag", messages)
    survey = survey_bag(Bag(bag), label_topic=truth)
    assert "1 stamps are those of more than one frame" in survey.notes
    with running(StandIn(checkpoint, processed)):
        playback = play(survey, mode, ("labels",), tmp_path / "predictions", None)
    assert outcomes(playback) == {"answered": 5}
    answers = list(answered_frames(tmp_path / "predictions", survey, playback.frames))
    assert [answer.played.frame.number for answer in answers] == [0, 1, 2, 3, 4]
    for answer in answers:
        np.testing.assert_array_equal(answer.predicted, answer.image[:, :, 0])
    assert [answer.true is not None for answer in answers] == [False, True, True, True, False]


def test_an_answer_that_was_not_recorded_is_missed(tmp_path, played):
    playback = played(3, Mode(), processed)
    survey = survey_bag(Bag(tmp_path / "bag"))
    other = write_messages(tmp_path / "other", [("/image", noise_message(1.0))])
    with pytest.raises(BagError, match="expected frame 0 with its labels"):
        list(answered_frames(other, survey, playback.frames))


def test_without_loss_a_node_that_keeps_to_a_rate_is_refused(played):
    with pytest.raises(ProcessError, match=r"max_rate = 5 .* set it to 0, or play with --live"):
        played(3, Mode(), processed, max_rate=5.0)


def test_a_parameter_that_the_node_does_not_have_is_told(played):
    with pytest.raises(ProcessError, match="has no parameter 'memory_sise'"):
        played(3, Mode(), processed, parameters=("max_rate", "memory_sise"))


def test_a_service_whose_answer_was_lost_is_asked_again(played, monkeypatch):
    ask, lost = Client.call_async, [Future()]
    monkeypatch.setattr(node_client, "QUESTION_PERIOD", 0.5)
    monkeypatch.setattr(
        Client, "call_async", lambda self, request: lost.pop() if lost else ask(self, request)
    )
    assert outcomes(played(2, Mode(), processed)) == {"answered": 2}
    assert not lost


def test_a_node_that_listens_to_something_else_is_not_waited_for_for_ever(played, monkeypatch):
    monkeypatch.setattr(node_client, "CONNECTION_TIMEOUT", 3.0)
    with pytest.raises(ProcessError, match=r"no segmentation_node .* /image; .*segmenting /robot"):
        played(3, Mode(), processed, topic="/robot")


def test_a_clock_that_was_set_meanwhile_is_not_waited_for(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr(player, "LONGEST_PAUSE", 0.1)
    frames = [("/image", noise_message(stamp)) for stamp in (1.0, 1.1, 1e9, 1e9 + 1e6, 2.0)]
    survey = survey_bag(Bag(write_messages(tmp_path / "bag", frames)))
    with running(StandIn(checkpoint, processed)):
        playback = play(survey, Mode(live=True), ("labels",), tmp_path / "predictions", None)
    assert outcomes(playback) == {"answered": 5}
