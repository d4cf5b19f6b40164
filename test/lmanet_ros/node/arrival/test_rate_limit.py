"""Frames taken of those that come."""

import pytest

from lmanet_ros.node.arrival.rate_limit import RateLimit


@pytest.mark.parametrize(
    ("camera", "limit", "expected"), [(30, 10, 100), (15, 10, 100), (10, 10, 100), (5, 10, 50)]
)
def test_a_camera_is_followed_at_the_lower_of_both_rates(camera, limit, expected):
    rate_limit = RateLimit(limit)
    frames = range(10 * camera)
    admitted = sum(rate_limit.admits(frame / camera) for frame in frames)
    assert admitted == pytest.approx(expected, abs=1)


def test_a_camera_at_the_rate_asked_for_loses_nothing_to_its_jitter():
    rate_limit = RateLimit(10.0)
    # Up to 0.4 of a period early or late.
    arrivals = [frame / 10 + (-0.04, 0.03, 0.0, 0.04)[frame % 4] for frame in range(100)]
    assert all(map(rate_limit.admits, arrivals))


def test_after_a_pause_frames_are_no_more_frequent_than_before():
    rate_limit = RateLimit(10.0)
    assert rate_limit.admits(0.0)
    admitted = [arrival for arrival in range(1000, 1200) if rate_limit.admits(arrival / 100)]
    assert len(admitted) == pytest.approx(20, abs=1)


def test_without_a_limit_every_frame_is_taken():
    rate_limit = RateLimit(0.0)
    assert all(rate_limit.admits(0.0) for _ in range(3))
