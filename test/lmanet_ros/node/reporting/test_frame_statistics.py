"""What is counted of a camera's frames, and the figures that come of it."""

from time import perf_counter

import pytest

from lmanet_ros.node.reporting.frame_statistics import FrameStatistics, FrameTimes


def times(step: float, overhead: float) -> FrameTimes:
    return FrameTimes(step, overhead, from_receipt=9.0, from_stamp=9.0)


def test_a_turn_is_usually_the_median_and_a_period_the_mean():
    statistics = FrameStatistics()
    assert (statistics.median_processing_time(), statistics.mean_period()) == (0, 0)
    for step in (0.1, 0.2, 0.9):
        statistics.add_processed(times(step, 0.05))
    assert statistics.median_processing_time() == pytest.approx(0.25)
    now = perf_counter()
    statistics.add_received(now)
    assert statistics.mean_period() == 0
    for arrival in (0.0, 0.0, 1.2):
        statistics.add_received(now + arrival)
    assert statistics.mean_period() == pytest.approx(0.4)


def test_rates_are_of_the_time_since_the_camera_is_listened_to():
    begin = perf_counter()
    statistics = FrameStatistics()
    begun = perf_counter()
    while perf_counter() < begun + 0.1:
        pass
    for _ in range(5):
        statistics.add_received(perf_counter())
    statistics.add_processed(times(0.1, 0.0))
    figures, elapsed = statistics.figures(), perf_counter() - begin
    assert 5 / elapsed <= figures.input_rate <= 50
    assert figures.output_rate == pytest.approx(figures.input_rate / 5)
    assert figures.silence < elapsed


def test_a_frame_waits_from_its_receipt_until_it_is_done_with():
    statistics = FrameStatistics()
    now = perf_counter()
    statistics.begin_waiting(now - 2.0)
    statistics.begin_waiting(now - 1.0)
    assert 2.0 <= statistics.figures().waiting <= perf_counter() - now + 2.0
    statistics.end_waiting()
    assert statistics.figures().waiting == 0
    statistics.begin_waiting(now - 1.0)
    assert 1.0 <= statistics.figures().waiting <= perf_counter() - now + 1.0


def test_a_new_session_begins_without_breaks_rates_and_waiting_but_counts_go_on():
    statistics = FrameStatistics()
    statistics.add_received(perf_counter())
    statistics.add_continuity("gap")
    statistics.add_continuity(None)
    statistics.begin_waiting(0.0)
    assert statistics.figures().breaks == ("gap", "")
    statistics.restart()
    figures = statistics.figures()
    assert (figures.breaks, figures.input_rate, figures.waiting) == ((), 0.0, 0.0)
    assert figures.counts["received"] == 1
    assert figures.counts["refused"] == 0, "counters are there from the start"
