"""The state of the node and its cameras for operators and supervisors: `/diagnostics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from lmanet_ros.node.common_parameters import CommonParameters
from lmanet_ros.node.reporting.frame_statistics import FrameFigures, FrameTimes

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

LOST_REMEDY = (
    "have them published reliably, or give the middleware room for them ('Large images' in "
    "docs/how-to/robot.md)"
)
REPEATED_BREAKS = 3
"""Breaks among the last `RECENT_BREAKS` frames that make the memory useless."""


def make_status(
    name: str,
    problems: Sequence[tuple[bytes, str]],
    otherwise: str,
    values: Mapping[str, object],
    hardware_id: str = "",
) -> DiagnosticStatus:
    """A status as bad as the worst of `problems`, with the message `otherwise` if there are none.

    Args:
        name: what it is about.
        problems: pairs of level and message.
        otherwise: the message when there are no problems.
        values: figures for people and programs.
        hardware_id: the camera's topic, of a camera.
    """
    return DiagnosticStatus(
        level=max((level for level, _ in problems), default=OK),
        name=name,
        hardware_id=hardware_id,
        message="; ".join(message for _, message in problems) or otherwise,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def find_problems(
    figures: FrameFigures, reported: Counter[str], parameters: CommonParameters
) -> list[tuple[bytes, str]]:
    """What is wrong with a camera that the node listens to, judged by the parameters.

    Args:
        figures: figures of the camera, now.
        reported: its counters at the last report.
        parameters: parameters of the node, for thresholds.
    """
    new = figures.counts - reported
    problems = []
    if 0 < parameters.silence_timeout < figures.silence:
        problems.append((ERROR, f"no frame received for {figures.silence:.1f} s"))
    if new["lost"]:
        problems.append((WARN, f"{new['lost']} images were lost on their way: {LOST_REMEDY}"))
    reasons = [reason for reason in figures.breaks if reason]
    if len(reasons) >= REPEATED_BREAKS:
        times = f"{len(reasons)} times in the last {len(figures.breaks)} frames"
        problems.append((WARN, f"the memory was emptied {times}: {reasons[-1]}"))
    if bad := new["refused"] + new["failed"]:
        level = WARN if new["processed"] else ERROR
        problems.append((level, f"{bad} frames could not be used"))
    if figures.times and new["processed"]:
        latency = float(np.percentile([times.from_receipt for times in figures.times], 95))
        problems += _judge_latency("results take", latency, parameters)
    else:
        problems += _judge_latency("a frame has been waiting for", figures.waiting, parameters)
    if figures.output_rate < parameters.warn_output_rate:
        rates = f"{figures.output_rate:.1f} Hz, less than {parameters.warn_output_rate:.1f} Hz"
        problems.append((WARN, f"results come at {rates}"))
    return problems


def _judge_latency(
    what: str, latency: float, parameters: CommonParameters
) -> list[tuple[bytes, str]]:
    for level, limit in ((ERROR, parameters.error_latency), (WARN, parameters.warn_latency)):
        if 0 < limit < latency:
            return [(level, f"{what} {latency:.3f} s, more than {limit:.3f} s")]
    return []


def figure_values(figures: FrameFigures) -> dict[str, object]:
    """Figures of a camera by name, times in milliseconds."""
    values: dict[str, object] = {
        **figures.counts,
        "input_rate_hz": f"{figures.input_rate:.2f}",
        "output_rate_hz": f"{figures.output_rate:.2f}",
    }
    if figures.times:
        values |= _time_values(figures.times)
    return values


def _time_values(times: Sequence[FrameTimes]) -> dict[str, str]:
    steps = [frame.step for frame in times]
    values = {
        "step_ms_last": steps[-1],
        "step_ms_median": median(steps),
        "overhead_ms_median": median(frame.overhead for frame in times),
    }
    for origin in ("receipt", "stamp"):
        latencies = [getattr(frame, f"from_{origin}") for frame in times]
        for name, value in zip(
            ("p50", "p95", "max"), np.percentile(latencies, (50, 95, 100)), strict=True
        ):
            values[f"latency_from_{origin}_ms_{name}"] = float(value)
    return {name: f"{1e3 * seconds:.2f}" for name, seconds in values.items()}
