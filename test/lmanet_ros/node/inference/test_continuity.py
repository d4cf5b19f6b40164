"""When a frame continues the video before it."""

from dataclasses import replace

import pytest

from lmanet_ros.node.inference.continuity import NANOSECONDS, FrameIdentity, find_break

FIRST = FrameIdentity(stamp=10 * NANOSECONDS, frame_id="camera", size=(64, 32))


def after(seconds: float, **changes: object) -> FrameIdentity:
    return replace(FIRST, stamp=FIRST.stamp + round(seconds * NANOSECONDS), **changes)


@pytest.mark.parametrize("gap", [0.0, 0.1, 1.0])
def test_a_frame_shortly_after_the_last_continues_the_video(gap):
    assert find_break(FIRST, after(gap), max_frame_gap=1.0) is None


def test_without_a_limit_any_gap_is_fine():
    assert find_break(FIRST, after(1e6), max_frame_gap=0.0) is None


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (after(-0.001), "time went back by 0.001 s"),
        (after(1.001), "1.001 s between two frames exceed 1.000 s, see max_frame_gap"),
        (after(0.1, size=(32, 64)), "image size changed from 64x32 to 32x64"),
        (after(0.1, frame_id=""), "frame_id changed from 'camera' to ''"),
    ],
)
def test_a_break_is_explained(frame, reason):
    assert find_break(FIRST, frame, max_frame_gap=1.0) == reason
