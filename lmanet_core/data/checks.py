"""What the settings of data have to be."""

from __future__ import annotations


def check_counts(**counts: int) -> None:
    """Refuse numbers of frames and the like that are less than 1.

    Raises:
        ValueError: one is; it says which.
    """
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")


def check_not_negative(**values: float) -> None:
    """Refuse amounts that are less than 0.

    Raises:
        ValueError: one is; it says which.
    """
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")
