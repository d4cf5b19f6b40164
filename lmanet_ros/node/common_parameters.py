"""Parameters that every managed node of this package has."""

from __future__ import annotations

from dataclasses import dataclass

from lmanet_ros.node.parameter_fields import ANY_TIME, START, parameter

FOREVER = (0.0, 1e6)
"""Seconds that may be waited."""
ANY_RATE = (0.0, 1e4)
"""Per second."""


@dataclass(frozen=True)
class CommonParameters:
    """What the user sets of any node; a field's default gives the parameter its type."""

    autostart: bool = parameter(
        True,
        "Whether the node configures and activates itself; false: a lifecycle manager does.",
        change=START,
    )
    lazy: bool = parameter(
        False,
        "Whether to unsubscribe from an input while nobody subscribes to any output made of it.",
        change=ANY_TIME,
    )
    diagnostics_rate: float = parameter(
        1.0, "Messages per second on /diagnostics.", limits=(0.01, 100.0), change=ANY_TIME
    )
    silence_timeout: float = parameter(
        2.0,
        "Seconds without a message of an input after which diagnostics report an error; 0.0: "
        "never.",
        limits=FOREVER,
        change=ANY_TIME,
    )
    warn_latency: float = parameter(
        1.0,
        "Latency in seconds above which diagnostics warn, from the receipt of a frame to its "
        "results: the 95th percentile of the last 100 frames, or a frame that still waits; 0.0: "
        "never.",
        limits=FOREVER,
        change=ANY_TIME,
    )
    error_latency: float = parameter(
        5.0,
        "Latency in seconds above which diagnostics report an error; 0.0: never.",
        limits=FOREVER,
        change=ANY_TIME,
    )
    warn_output_rate: float = parameter(
        0.0,
        "Results per second of each camera below which diagnostics warn; 0.0: never.",
        limits=ANY_RATE,
        change=ANY_TIME,
    )
