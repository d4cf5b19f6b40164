"""Packages that not every installation has, and what to say where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

OF_ROS = frozenset(
    {
        "ament_index_python",
        "builtin_interfaces",
        "diagnostic_msgs",
        "lifecycle_msgs",
        "rcl_interfaces",
        "rclpy",
        "rosgraph_msgs",
        "sensor_msgs",
        "std_msgs",
        "std_srvs",
    }
)
"""Packages that a ROS 2 installation brings."""


class MissingExtraError(ValueError):
    """A package is not installed; the message names the extra that brings it."""


@contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Name the extra where an import in this block finds a package missing.

    Args:
        extra: an extra of this package, see `setup.py`.
        purpose: what the package is for, as the beginning of a sentence.

    Raises:
        MissingExtraError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("lmanet"):
            raise
        package = error.name.partition(".")[0]
        if package in OF_ROS:
            extra = "ros"
        comes_with = f"it comes with the extra '{extra}'"
        if extra == "ros":
            comes_with = (
                "it comes with a ROS 2 installation, whose setup.bash is to be sourced, or with "
                "the extra 'ros'"
            )
        raise MissingExtraError(
            f"{purpose} needs the package {package}, which is not installed; {comes_with}: "
            f"pip install '.[{extra}]' in the folder of this repository"
        ) from None
