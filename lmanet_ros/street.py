"""The synthetic street as the programs of this package play and record it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lmanet_core.data.synthetic import StreetConfig

STREET_SIZE = (512, 256)
SENSOR = ("noise", "flicker", "motion_blur", "occlusion_rate", "depth_noise", "depth_holes")
"""Fields of `StreetConfig` that a user may set, by these names."""


def street_config(size: tuple[int, int], rate: float, values: Mapping[str, Any]) -> StreetConfig:
    """A street of that size and rate, through the sensor of the fields that `values` has."""
    sensor = {name: values[name] for name in SENSOR if name in values}
    return StreetConfig(size=size, frame_rate=rate, **sensor)
