"""The seam between a stream and what computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from typing_extensions import Self

from lmanet_core.network.classes import ClassTable

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
"""Words for what a network computes in."""


class Prediction(NamedTuple):
    """Label and confidence of each pixel, at the size at which the network runs."""

    labels: np.ndarray
    """(H', W') uint8."""
    confidence: np.ndarray | None
    """(H', W') uint8, probability of the label scaled to 0..255; None when not asked for."""


@runtime_checkable
class Backend(Protocol):
    """A network, the memory of one stream, and a library that computes them.

    Checks of images and the way back to their size are `VideoSegmenter`'s.
    """

    @property
    def name(self) -> str:
        """One of `lmanet_core.runtime.backend_names()`."""

    @property
    def classes(self) -> ClassTable:
        """What the labels mean."""

    @property
    def device(self) -> str:
        """Where the memory is: 'cpu' or 'cuda:N'."""

    @property
    def precision(self) -> str:
        """What the network computes in: 'fp32', 'bf16', 'fp16' or 'int8'."""

    @property
    def attention(self) -> str:
        """Implementation of local attention, in the words of a log line; 'none' without memory."""

    @property
    def batches(self) -> bool:
        """Whether `run_together` computes several streams in one go."""

    @property
    def memory_size(self) -> int:
        """S, frames remembered; 0: every frame on its own."""

    @property
    def filled(self) -> int:
        """Number of past frames in memory."""

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) at which the network runs for an image of this (width, height)."""

    def reset(self) -> None:
        """Forget all frames."""

    def run(self, image: np.ndarray, *, confidence: bool) -> Prediction:
        """Segment a frame and remember it.

        Args:
            image: (H, W, 3) uint8, RGB; `network_size` is that of the frame before, or the memory
                is empty.
            confidence: whether it is wanted, too.

        Returns:
            Arrays that the next frame leaves alone.
        """

    def run_together(
        self, streams: Sequence[Self], images: Sequence[np.ndarray], *, confidence: bool
    ) -> list[Prediction]:
        """Do for different streams of this network what `run` does for one; see there."""

    def new_stream(self) -> Self:
        """A stream of the same network with an empty memory of its own.

        The two must not run at the same time.
        """
