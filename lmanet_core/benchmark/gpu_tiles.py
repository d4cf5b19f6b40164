"""The search for how the forward kernel of local attention is best cut on a chip."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lmanet_core.ops.implementations.fused_cuda_tiles import Tiles

OPTIONS: dict[str, tuple[int, ...]] = {
    "rows": (4, 8, 16),
    "columns": (8, 16),
    "step": (32, 64, 128),
    "warps": (4, 8),
    "stages": (1, 2, 3, 4),
}


def search(
    begin: Tiles, milliseconds: Callable[[Tiles], float], may_go_on: Callable[[], bool]
) -> Iterator[tuple[Tiles, float | str]]:
    """Change one thing at a time, keep what is faster, until no change is or time is up.

    Args:
        begin: the cut to start from.
        milliseconds: how long the kernel takes, cut that way; what it raises speaks against it.
        may_go_on: asked before each but the first.

    Yields:
        What was tried, with its milliseconds or what speaks against it.
    """
    times: dict[Tiles, float | str] = {}

    def attempt(tiles: Tiles) -> float:
        try:
            times[tiles] = milliseconds(tiles)
        # Too much shared memory, for example: whatever it is that compilers and drivers raise.
        except Exception as error:
            times[tiles] = problem(error)
        return _number(times[tiles])

    best, least = begin, attempt(begin)
    yield begin, times[begin]
    improves = True
    while improves:
        improves = False
        for name, options in OPTIONS.items():
            for option in options:
                tiles = best._replace(**{name: option})
                if tiles in times:
                    continue
                if not may_go_on():
                    return
                taken = attempt(tiles)
                yield tiles, times[tiles]
                if taken < least:
                    best, least, improves = tiles, taken, True


def fastest(tried: dict[Tiles, float | str]) -> Tiles | None:
    """The best of what `search` has tried; None if nothing ran."""
    best = min(tried, key=lambda tiles: _number(tried[tiles]), default=None)
    return None if best is None or isinstance(tried[best], str) else best


def problem(error: Exception) -> str:
    """What went wrong, in a cell of a table."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _number(time: float | str) -> float:
    return float("inf") if isinstance(time, str) else time
