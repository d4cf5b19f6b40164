"""Streaming segmentation: one image in, one label map out, the memory kept in between."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from lmanet_core.models import LMANet
from lmanet_core.runtime.backend import Backend
from lmanet_core.runtime.backends.torch_backend import TorchBackend
from lmanet_core.runtime.images import resize


@dataclass(frozen=True)
class SegmentationResult:
    """What the network says about one image, at that image's size."""

    labels: np.ndarray
    """(H, W) uint8, index into the model's class table."""
    confidence: np.ndarray | None
    """(H, W) uint8, probability of the label scaled to 0..255; None when not asked for."""


class VideoSegmenter:
    """Segments a video stream frame by frame with a model and the memory of its past frames.

    Args:
        model: the network; a copy of it is converted, the caller's stays as it is. Or a `Backend`
            that has one already and what the other arguments say of it.
        memory_size: S, frames remembered; None: the model's own; 0: every frame on its own.
        precision: 'auto', 'fp32', 'bf16' or 'fp16' (CUDA only).
        device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
        work_size: (width, height) at which the network runs; None: the image's own size. Sides are
            rounded to the nearest that the model accepts, images resized if that changes them.

    Raises:
        ValueError: an argument is out of range, or the model has no memory to use.
    """

    def __init__(
        self,
        model: LMANet | Backend,
        memory_size: int | None = None,
        precision: str = "auto",
        device: str = "auto",
        work_size: tuple[int, int] | None = None,
    ) -> None:
        self._backend: Backend = (
            TorchBackend(model, memory_size, precision, device, work_size)
            if isinstance(model, LMANet)
            else model
        )
        self._network_size: tuple[int, int] | None = None

    @property
    def backend(self) -> str:
        """One of `lmanet_core.runtime.BACKENDS`."""
        return self._backend.name

    @property
    def device(self) -> torch.device:
        """Where the memory is."""
        return self._backend.device

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in."""
        return self._backend.dtype

    @property
    def memory_size(self) -> int:
        """S, frames remembered; 0: every frame on its own."""
        return self._backend.memory_size

    @property
    def filled(self) -> int:
        """Number of past frames in memory."""
        return self._backend.filled

    def reset(self) -> None:
        """Forget all frames; the next one is segmented on its own."""
        self._backend.reset()

    def step(self, image: np.ndarray, *, confidence: bool = True) -> SegmentationResult:
        """Segment the next frame and remember it.

        An image that makes the network run at another size than before starts an empty memory.

        Args:
            image: (H, W, 3) uint8, RGB.
            confidence: whether to compute the confidence, too.

        Raises:
            ValueError: the array is not an image of that form; the memory is left as it was.
        """
        _check_image(image)
        size = (image.shape[1], image.shape[0])
        network_size = self._backend.network_size(size)
        if network_size != self._network_size:
            self.reset()
            self._network_size = network_size
        prediction = self._backend.run(image, confidence=confidence)
        labels = resize(prediction.labels, size, cv2.INTER_NEAREST)
        if prediction.confidence is None:
            return SegmentationResult(labels, None)
        return SegmentationResult(labels, resize(prediction.confidence, size, cv2.INTER_LINEAR))


def _check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"expected an RGB image of shape (H, W, 3) and dtype uint8, "
            f"got {image.shape} {image.dtype}"
        )
