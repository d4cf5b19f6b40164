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


def test_without_a_limit_every_frame_is_taken():
    rate_limit = RateLimit(0.0)
    assert all(rate_limit.admits(0.0) for _ in range(3))
