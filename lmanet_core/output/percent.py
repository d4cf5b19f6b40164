"""Shares as percent, for tables."""

from __future__ import annotations


def in_percent(share: float | None) -> float | None:
    """0..1 -> 0..100; None, where nothing was measured, stays None."""
    return None if share is None else 100 * share
