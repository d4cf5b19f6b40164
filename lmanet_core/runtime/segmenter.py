"""A video stream: one image in, one label map out, the memory kept in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lmanet_core.network.classes import ClassTable
from lmanet_core.network.resizing import resize
from lmanet_core.runtime.backend import Backend, Prediction

WARM_UP_SIZE = (64, 32)
"""(width, height) in the proportions for which the shipped network's file is loaded."""


@dataclass(frozen=True)
class SegmentationResult:
    """What the network says about one image, at that image's size or the one asked for."""

    labels: np.ndarray
    """(H, W) uint8, index into the model's class table."""
    confidence: np.ndarray | None
    """(H, W) uint8, probability of the label scaled to 0..255; None when not asked for."""


class VideoSegmenter:
    """Segments a video stream frame by frame; `lmanet_core.open_segmenter` opens one.

    Args:
        backend: the network, and the memory of the stream's past frames.
        output_size: (width, height) of labels and confidence; None: those of the image.
        reason: why this backend, in the words of a log line.
        file: what runs: an exported file or a checkpoint; None: a model that is in no file.

    Attributes:
        backend, reason, file: the arguments; what runs, and how, are properties of the backend.
        network_size: (width, height) at which the network ran last; None: it has not run yet.

    Raises:
        ValueError: the output size is not two positive numbers.

    Example:
        >>> import lmanet_core, numpy as np
        >>> segmenter = lmanet_core.open_segmenter(work_size=(128, 64))
        >>> for image in np.zeros((3, 100, 200, 3), np.uint8):  # a video
        ...     result = segmenter.step(image)
        >>> segmenter.backend.filled  # frames in memory
        3
        >>> segmenter.reset()  # before another video
    """

    def __init__(
        self,
        backend: Backend,
        *,
        output_size: tuple[int, int] | None = None,
        reason: str = "",
        file: Path | None = None,
    ) -> None:
        if output_size is not None and min(output_size) < 1:
            raise ValueError(
                f"output_size must be (width, height), each at least 1, got {output_size}"
            )
        self.backend = backend
        self.reason = reason
        self.file = file
        self.network_size: tuple[int, int] | None = None
        self._output_size = output_size

    @property
    def classes(self) -> ClassTable:
        """What the labels mean."""
        return self.backend.classes

    def reset(self) -> None:
        """Forget all frames; the next one is segmented on its own."""
        self.backend.reset()

    def new_stream(self) -> VideoSegmenter:
        """A segmenter for another video: a memory of its own, empty, and the same network.

        The weights are shared, not copied. Streams of one network must not step at the same time.
        """
        return VideoSegmenter(
            self.backend.new_stream(),
            output_size=self._output_size,
            reason=self.reason,
            file=self.file,
        )

    def warm_up(self) -> None:
        """Run the network, so that the first frame takes little longer than others; forgets all.

        Runs at the working size, or at a small one if that is the image's own.
        """
        width, height = self.backend.network_size(WARM_UP_SIZE)
        image = np.zeros((height, width, 3), np.uint8)
        # Without and with a memory to read from.
        for _ in range(1 + min(1, self.backend.memory_size)):
            self.step(image)
        self.reset()
        self.network_size = None

    def step(self, image: np.ndarray, *, confidence: bool = True) -> SegmentationResult:
        """Segment the next frame and remember it.

        An image that makes the network run at another size than before starts an empty memory.

        Args:
            image: (H, W, 3) uint8, RGB.
            confidence: whether to compute the confidence, too.

        Raises:
            ValueError: the array is not an image of that form; the memory is left as it was.
        """
        return step_together([self], [image], confidence=confidence)[0]

    def _prepare(self, image: np.ndarray) -> None:
        """Empty the memory if the image makes the network run at another size."""
        network_size = self.backend.network_size((image.shape[1], image.shape[0]))
        if network_size != self.network_size:
            self.reset()
            self.network_size = network_size

    def _result(self, image: np.ndarray, prediction: Prediction) -> SegmentationResult:
        size = self._output_size or (image.shape[1], image.shape[0])
        labels = resize(prediction.labels, size, cv2.INTER_NEAREST)
        if prediction.confidence is None:
            return SegmentationResult(labels, None)
        return SegmentationResult(labels, resize(prediction.confidence, size, cv2.INTER_LINEAR))


def step_together(
    segmenters: Sequence[VideoSegmenter], images: Sequence[np.ndarray], *, confidence: bool = True
) -> list[SegmentationResult]:
    """Segment the next frame of several videos, in batches where the backend can.

    Args:
        segmenters: different ones, made of each other by `VideoSegmenter.new_stream`.
        images: one for each, (H, W, 3) uint8, RGB.
        confidence: whether to compute the confidence, too.

    Returns:
        What `VideoSegmenter.step` gives for each, but for rounding.

    Raises:
        ValueError: an array is not an image of that form; all memories are left as they were.

    Example:
        >>> import lmanet_core, numpy as np
        >>> front = lmanet_core.open_segmenter(work_size=(128, 64))
        >>> rear = front.new_stream()  # a memory of its own
        >>> images = np.zeros((2, 100, 200, 3), np.uint8)
        >>> [result.labels.shape for result in step_together([front, rear], images)]
        [(100, 200), (100, 200)]
    """
    for image in images:
        _check_image(image)
    for segmenter, image in zip(segmenters, images, strict=True):
        segmenter._prepare(image)
    first = segmenters[0].backend
    if len(segmenters) == 1:
        predictions = [first.run(images[0], confidence=confidence)]
    else:
        backends = [segmenter.backend for segmenter in segmenters]
        predictions = first.run_together(backends, images, confidence=confidence)
    return [
        segmenter._result(image, prediction)
        for segmenter, image, prediction in zip(segmenters, images, predictions, strict=True)
    ]


def _check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"expected an RGB image of shape (H, W, 3) and dtype uint8, "
            f"got {image.shape} {image.dtype}"
        )
