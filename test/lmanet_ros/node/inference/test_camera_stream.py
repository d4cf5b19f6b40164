"""A camera's video: gaps, sessions, failures, and the times that are reported."""

from collections.abc import Iterator
from time import perf_counter

import pytest
import rclpy
import torch
from ros_harness import image_message, street

from lmanet_core import ModelConfig, VideoSegmenter, build_model, open_segmenter
from lmanet_ros.node.inference.continuous_memory import ContinuousMemory
from lmanet_ros.node.inference.stream import Stream, process
from lmanet_ros.node.reporting.frame_statistics import FrameStatistics, FrameTimes
from lmanet_ros.node.segmentation_parameters import NodeParameters

TIMES = FrameTimes(step=0.4, overhead=0.1, from_receipt=0.5, from_stamp=0.5)


class FakeOutputs:
    """Keeps what would be published."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self.results: list = []

    def wanted(self) -> frozenset[str]:
        return self._wanted

    def needs_confidence(self, wanted: frozenset[str]) -> bool:
        return "confidence" in wanted

    def publish(self, wanted, header, image, result, info) -> list[str]:
        self.results.append(result)
        return sorted(wanted)


@pytest.fixture(scope="module")
def segmenter() -> VideoSegmenter:
    torch.manual_seed(0)
    return open_segmenter(build_model(ModelConfig(memory_size=2, window_size=3)))


@pytest.fixture
def make_stream(segmenter) -> Iterator:
    node = rclpy.create_node("camera")

    def make(
        stream_count: int = 1, wanted: tuple[str, ...] = ("labels",), gap: float = 0.1
    ) -> Stream:
        outputs = FakeOutputs(frozenset(wanted))
        statistics, logger = FrameStatistics(), node.get_logger()
        memory = ContinuousMemory(
            segmenter.new_stream(),
            statistics,
            logger,
            stream_count,
            NodeParameters(max_frame_gap=gap),
        )
        return Stream(memory, statistics, outputs, logger, node.get_clock())

    yield make
    node.destroy_node()


def send(
    stream: Stream, stamp: float, arrival: float | None = None, idle_since: float = 0.0
) -> None:
    """Let a frame that came now, or before, be processed."""
    message = image_message(street(), stamp=stamp)
    arrival = perf_counter() if arrival is None else arrival
    process([(stream, stream.frame(message, None, arrival))], idle_since)


@pytest.mark.parametrize(
    ("stream_count", "gap", "is_break"),
    [(1, 1.4, False), (1, 1.6, True), (2, 2.9, False), (2, 3.1, True)],
)
def test_what_the_network_is_too_slow_for_is_no_gap(make_stream, stream_count, gap, is_break):
    """Three frames of each stream, of half a second each here."""
    stream = make_stream(stream_count)
    for _ in range(9):
        stream.statistics.add_processed(TIMES)
    send(stream, 100.0)
    send(stream, 100.0 + gap)
    assert stream.statistics.figures().counts["resets"] == is_break
    assert stream.memory.filled == (1 if is_break else 2)


def test_without_a_limit_there_is_no_gap(make_stream):
    stream = make_stream(gap=0.0)
    stream.statistics.add_processed(TIMES)
    for stamp in (1.0, 1e6):
        send(stream, stamp)
    assert stream.memory.filled == 2


@pytest.mark.parametrize(("period", "room"), [(0.2, 0), (1.6, 3)])
def test_as_many_frames_may_wait_as_are_worked_off_in_a_period(make_stream, period, room):
    stream = make_stream()
    assert stream.room() == 1
    stream.statistics.add_processed(TIMES)
    now = perf_counter()
    for index in range(3):
        stream.statistics.add_received(now + period * (index - 3))
    assert stream.room() == room


def test_times_begin_with_the_turn_and_with_the_receipt(make_stream):
    stream = make_stream()
    now = perf_counter()
    send(stream, 1.0, arrival=now - 5.0, idle_since=now - 3.0)
    send(stream, 1.01, arrival=now - 2.0, idle_since=now - 3.0)
    busy, idle = stream.statistics.figures().times
    # While others have their turn a frame waits; what is left is its own.
    assert busy.from_receipt == pytest.approx(busy.step + busy.overhead + 2.0)
    assert idle.from_receipt == pytest.approx(idle.step + idle.overhead)
    assert busy.overhead > 3.0
    assert 0 < busy.step < 3.0


def test_confidence_is_there_for_whoever_wants_it(make_stream):
    streams = [make_stream(wanted=names) for names in (("labels",), ("confidence",))]
    frames = [(s, s.frame(image_message(street()), None, perf_counter())) for s in streams]
    process(frames, 0.0)
    assert streams[1].outputs.results[0].confidence is not None


def test_a_frame_of_an_earlier_session_is_dropped(make_stream):
    stream = make_stream()
    frame = stream.frame(image_message(street()), None, perf_counter())
    stream.close()
    process([(stream, frame)], 0.0)
    assert not stream.outputs.results
    assert stream.statistics.figures().counts["dropped"] == 1
    assert stream.memory.filled == 0


def test_a_network_that_fails_is_counted_and_the_next_frame_goes_on(make_stream, monkeypatch):
    stream = make_stream()
    with monkeypatch.context() as patch:
        patch.setattr(stream.memory.segmenter.backend, "run", lambda *_, **__: 1 / 0)
        send(stream, 1.0)
    counts = stream.statistics.figures().counts
    assert (counts["failed"], counts["processed"]) == (1, 0)
    assert stream.statistics.figures().waiting == 0
    send(stream, 1.01)
    assert len(stream.outputs.results) == 1


def test_a_request_empties_the_memory_for_the_next_frame(make_stream):
    stream = make_stream()
    for stamp in (1.0, 1.01):
        send(stream, stamp)
    assert stream.memory.filled == 2
    stream.memory.request_reset("on request")
    assert stream.memory.filled == 0
    send(stream, 1.02)
    assert stream.memory.filled == 1
