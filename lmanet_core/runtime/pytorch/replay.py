"""Replay of CUDA graphs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import torch

Result = TypeVar("Result")
Computation = Callable[[], Result]


def capture(
    compute: Computation[Result], stream: torch.cuda.Stream | None = None
) -> Computation[Result]:
    """A CUDA graph of a computation; replaying it fills and returns the tensors of the capture.

    Args:
        compute: starts work on the current stream.
        stream: which that is to be; None: any.

    Raises:
        RuntimeError: something in it cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    # Other threads may go on using the device.
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        result = compute()

    def replay() -> Result:
        graph.replay()
        return result

    return replay


class Replays(Generic[Result]):
    """Runs computations on tensors that stay where they are, from the second time on as a graph.

    The first run compiles kernels, chooses algorithms and reserves memory, which a graph must not.

    Args:
        capture: makes a replay of a computation, or raises RuntimeError.
    """

    def __init__(
        self, capture: Callable[[Computation[Result]], Computation[Result]] = capture
    ) -> None:
        self._capture = capture
        self._known: dict[Hashable, Computation[Result] | None] = {}
        self._is_possible = True

    def forget(self) -> None:
        """Give up all graphs; tensors are others from now on."""
        self._known.clear()

    def run(self, key: Hashable, compute: Computation[Result]) -> Result:
        """The result of a computation.

        Args:
            key: equal for computations that do the same with the same tensors.
            compute: what to run.
        """
        if not self._is_possible:
            return compute()
        if key not in self._known:
            self._known[key] = None
            return compute()
        replay = self._known[key]
        if replay is None:
            try:
                replay = self._known[key] = self._capture(compute)
            except RuntimeError as error:
                self._is_possible = False
                logging.getLogger(__name__).warning(
                    "the network runs without CUDA graphs, as they cannot be captured here: %s",
                    str(error).strip().partition("\n")[0],
                )
                return compute()
        return replay()
