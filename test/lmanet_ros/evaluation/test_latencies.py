"""Latencies that are counted, added up and summarized."""

from lmanet_ros.evaluation.latencies import add_latencies, count_latencies, latency_percentiles


def test_percentiles_are_those_of_all_recordings_together():
    milliseconds = [float(number) for number in range(1, 101)]
    parts = [milliseconds[::3], milliseconds[1::3], milliseconds[2::3]]
    counts = [count_latencies(latency / 1e3 for latency in part) for part in parts]
    percentiles = latency_percentiles(add_latencies(counts))
    # Of 1 to 100, as numpy interpolates.
    assert percentiles == {"p50": 50.5, "p95": 95.0, "p99": 99.0, "max": 100.0}
    assert latency_percentiles({}) == {"p50": None, "p95": None, "p99": None, "max": None}


def test_latencies_are_counted_by_tenths_of_milliseconds():
    assert count_latencies([0.01234, 0.01231, 0.2]) == {"12.3": 2, "200.0": 1}
