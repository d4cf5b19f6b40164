"""When a computation is run, captured and replayed; what a graph computes a device can show."""

import logging

from lmanet_core.runtime.pytorch.replay import Replays


def test_the_first_run_of_a_key_is_its_own_and_the_second_is_captured():
    captured = []

    def capture(compute):
        captured.append(compute())
        return lambda: f"replayed {captured[-1]}"

    replays = Replays(capture)
    for key in ("empty", "full"):
        results = [replays.run(key, lambda key=key: key) for _ in range(3)]
        assert results == [key, f"replayed {key}", f"replayed {key}"]
    assert captured == ["empty", "full"]
    replays.forget()
    assert replays.run("full", lambda: "again") == "again"


def test_where_capture_fails_the_reason_is_logged_once_and_everything_still_runs(caplog):
    attempts = []

    def capture(compute):
        attempts.append(compute)
        raise RuntimeError("operation not permitted when stream is capturing\nand a trace")

    replays = Replays(capture)
    with caplog.at_level(logging.WARNING):
        assert [replays.run("a", lambda: 7) for _ in range(4)] == [7] * 4
        assert [replays.run("b", lambda: 8) for _ in range(3)] == [8] * 3
    assert len(attempts) == len(caplog.records) == 1
    assert "operation not permitted when stream is capturing" in caplog.text
    assert "trace" not in caplog.text
