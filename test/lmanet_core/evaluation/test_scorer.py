"""Figures of frames that come one after the other."""

from __future__ import annotations

import numpy as np

from lmanet_core.evaluation import Scorer
from lmanet_core.network.classes import DAVIS

IMAGE = np.random.default_rng(0).integers(256, size=(48, 64, 3), dtype=np.uint8)
RIGHT, WRONG = (np.full((48, 64), label, np.uint8) for label in (1, 0))


def test_vc8_is_of_runs_of_eight_frames_and_vc16_of_sixteen() -> None:
    scorer = Scorer(DAVIS)
    for number in range(16):
        scorer.add(IMAGE, WRONG if number == 0 else RIGHT, RIGHT)
    result = scorer.result()
    # The first of nine runs of eight has the wrong frame, and so has the only run of sixteen.
    assert (result.vc8, result.vc16) == (8 / 9, 0.0)


def test_runs_of_frames_end_with_a_video_and_with_a_frame_that_is_left_out() -> None:
    for end in (Scorer.begin_video, Scorer.leave_out):
        scorer = Scorer(DAVIS)
        for number in range(16):
            if number in (5, 10):
                end(scorer)
            scorer.add(IMAGE, RIGHT, RIGHT)
        result = scorer.result()
        assert (result.vc8, result.vc16) == (None, None)


def test_the_sum_of_two_evaluations_is_that_of_both_together() -> None:
    whole, parts = Scorer(DAVIS), (Scorer(DAVIS), Scorer(DAVIS))
    for part in parts:
        for number in range(17):
            predicted = WRONG if number == 0 and part is parts[0] else RIGHT
            for scorer in (whole, part):
                scorer.add(IMAGE, predicted, RIGHT)
        whole.begin_video()
    both = parts[0].accumulator() + parts[1].accumulator()
    assert both == whole.accumulator()
    assert both.evaluation().vc16 == 0.75
