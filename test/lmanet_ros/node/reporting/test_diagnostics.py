"""What the figures of a camera mean."""

from collections import Counter
from dataclasses import replace

import pytest

from lmanet_ros.node.reporting.diagnostics import (
    ERROR,
    LOST_REMEDY,
    OK,
    WARN,
    figure_values,
    find_problems,
    make_status,
)
from lmanet_ros.node.reporting.frame_statistics import FrameFigures, FrameTimes
from lmanet_ros.node.segmentation_parameters import NodeParameters

PARAMETERS = NodeParameters(
    silence_timeout=2.0, warn_latency=0.3, error_latency=0.8, warn_output_rate=4.0
)
TIMES = tuple(
    FrameTimes(step=0.1, overhead=0.002, from_receipt=latency / 100, from_stamp=latency / 50)
    for latency in range(1, 21)
)
WELL = FrameFigures(
    counts=Counter(received=100, processed=90, dropped=10),
    input_rate=10.0,
    output_rate=9.0,
    silence=0.1,
    waiting=0.0,
    times=TIMES,
)


@pytest.mark.parametrize(
    ("changes", "level", "message"),
    [
        ({}, OK, "well"),
        ({"silence": 2.1}, ERROR, "no frame received for 2.1 s"),
        ({"output_rate": 3.0}, WARN, "results come at 3.0 Hz, less than 4.0 Hz"),
        (
            {"silence": 3.0, "output_rate": 3.0},
            ERROR,
            "no frame received for 3.0 s; results come at 3.0 Hz, less than 4.0 Hz",
        ),
        (
            {"counts": Counter(received=9, processed=5, refused=3, failed=1)},
            WARN,
            "4 frames could not be used",
        ),
        ({"counts": Counter(received=3, refused=3)}, ERROR, "3 frames could not be used"),
        (
            {"counts": Counter(received=9, processed=9, lost=3)},
            WARN,
            f"3 images were lost on their way: {LOST_REMEDY}",
        ),
        ({"breaks": ("", "time went back", "time went back", "")}, OK, "well"),
        (
            {"breaks": ("", "gap", "", "gap", "time went back")},
            WARN,
            "the memory was emptied 3 times in the last 5 frames: time went back",
        ),
        (
            {"times": (replace(TIMES[0], from_receipt=0.4),)},
            WARN,
            "results take 0.400 s, more than 0.300 s",
        ),
        (
            # One of ten is late: between it and the others lies the 95th percentile.
            {"times": (*9 * TIMES[:1], replace(TIMES[0], from_receipt=1.0))},
            WARN,
            "results take 0.554 s, more than 0.300 s",
        ),
        (
            {"counts": Counter(received=20), "waiting": 2.0},
            ERROR,
            "a frame has been waiting for 2.000 s, more than 0.800 s",
        ),
        (
            {"times": (replace(TIMES[0], from_receipt=0.9),), "silence": 3.0},
            ERROR,
            "no frame received for 3.0 s; results take 0.900 s, more than 0.800 s",
        ),
    ],
)
def test_thresholds_make_the_level(changes, level, message):
    problems = find_problems(replace(WELL, **changes), Counter(), PARAMETERS)
    status = make_status("camera", problems, "well", {})
    assert (status.level, status.message) == (level, message)


def test_only_what_is_new_since_the_last_report_is_judged():
    counts = Counter(received=50, processed=40, refused=10)
    assert find_problems(replace(WELL, counts=counts), counts, PARAMETERS) == []


def test_thresholds_of_zero_judge_nothing():
    off = NodeParameters(
        silence_timeout=0.0, warn_latency=0.0, error_latency=0.0, warn_output_rate=0.0
    )
    bad = replace(WELL, silence=100.0, output_rate=0.0)
    assert find_problems(bad, Counter(), off) == []


def test_latencies_are_reported_from_receipt_and_from_stamp():
    values = figure_values(WELL)
    assert values["processed"] == 90
    assert values["input_rate_hz"] == "10.00"
    assert values["step_ms_median"] == "100.00"
    assert values["latency_from_receipt_ms_p50"] == "105.00"
    assert values["latency_from_receipt_ms_p95"] == "190.50"
    assert values["latency_from_stamp_ms_p95"] == "381.00"
    assert values["latency_from_stamp_ms_max"] == "400.00"
