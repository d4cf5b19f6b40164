"""Streaming segmentation: one image in, one label map out, the memory kept in between."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from lmanet_core.config import MAX_MEMORY_SIZE
from lmanet_core.models import LMANet
from lmanet_core.runtime.folding import fold_batch_norms
from lmanet_core.runtime.precision import resolve_device, resolve_precision
from lmanet_core.runtime.ring_buffer import RingBuffer

WARM_UP_SIZE = (64, 64)


@dataclass(frozen=True)
class SegmentationResult:
    """What the network says about one image, at that image's size or the one asked for."""

    labels: np.ndarray
    """(H, W) uint8, index into the model's class table."""
    confidence: np.ndarray | None
    """(H, W) uint8, probability of the label scaled to 0..255; None when not asked for."""


class VideoSegmenter:
    """Segments a video stream frame by frame with a model and the memory of its past frames.

    Args:
        model: the network; a copy of it is converted, the caller's stays as it is.
        memory_size: S, frames remembered; None: the model's own; 0: every frame on its own.
        precision: 'auto', 'fp32', 'bf16' or 'fp16' (CUDA only).
        device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
        work_size: (width, height) at which the network runs; None: the image's own size. Sides are
            rounded to the nearest that the model accepts, images resized if that changes them.
        output_size: (width, height) of labels and confidence; None: those of the image.

    Raises:
        ValueError: an argument is out of range, or the model has no memory to use.
    """

    def __init__(
        self,
        model: LMANet,
        memory_size: int | None = None,
        precision: str = "auto",
        device: str = "auto",
        work_size: tuple[int, int] | None = None,
        output_size: tuple[int, int] | None = None,
    ) -> None:
        memory_size = model.config.memory_size if memory_size is None else memory_size
        if not 0 <= memory_size <= MAX_MEMORY_SIZE:
            raise ValueError(f"memory_size must be in 0..{MAX_MEMORY_SIZE}, got {memory_size}")
        if memory_size > 0 and model.memory is None:
            raise ValueError(
                f"this is a single-frame network without memory modules; memory_size must be 0, "
                f"got {memory_size}"
            )
        smallest = model.size_rule.smallest
        if work_size is not None and min(work_size) < smallest:
            raise ValueError(
                f"work_size must be (width, height), each at least {smallest}, got {work_size}"
            )
        if output_size is not None and min(output_size) < 1:
            raise ValueError(
                f"output_size must be (width, height), each at least 1, got {output_size}"
            )
        self.memory_size = memory_size
        self.device = resolve_device(device)
        self.dtype = resolve_precision(precision, self.device)
        self._work_size = work_size
        self._output_size = output_size
        self._store: RingBuffer | None = None
        if memory_size > 0:
            self._store = RingBuffer(memory_size, model.config.write_interval)
        self._shape: torch.Size | None = None
        # channels_last is what convolutions run fastest in, on CPUs and GPUs.
        self._model = copy.deepcopy(model).eval().requires_grad_(False)
        # Before the conversion: folded in full precision, rounded once.
        fold_batch_norms(self._model)
        self._model.to(self.device, self.dtype)
        # PyTorch's annotations lack this overload.
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def filled(self) -> int:
        """Number of past frames in memory."""
        return 0 if self._store is None else self._store.filled

    def reset(self) -> None:
        """Forget all frames; the next one is segmented on its own."""
        if self._store is not None:
            self._store.clear()

    def new_stream(self) -> VideoSegmenter:
        """A segmenter for another video: a memory of its own, empty, and the same network.

        The weights are shared, not copied. Streams of one network must not step at the same time.
        """
        stream = copy.copy(self)
        stream._shape = None
        if self._store is not None:
            stream._store = RingBuffer(self.memory_size, self._store.write_interval)
        return stream

    def warm_up(self) -> None:
        """Run the network, so that the first frame takes no longer than others; forgets all frames.

        Runs at the working size, or at a small one if that is the image's own.
        """
        width, height = self._work_size or WARM_UP_SIZE
        image = np.zeros((height, width, 3), np.uint8)
        # Without and with a memory to read from.
        for _ in range(1 + min(1, self.memory_size)):
            self.step(image)
        self.reset()

    @torch.inference_mode()
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
        size = self._output_size or (image.shape[1], image.shape[0])
        pixels = self._to_tensor(image)
        if pixels.shape != self._shape:
            self.reset()
            self._shape = pixels.shape
        logits = self._model.step(pixels, self._store)
        best, labels = logits.max(1)
        label_map = _resize(labels[0].byte().cpu().numpy(), size, cv2.INTER_NEAREST)
        if not confidence:
            return SegmentationResult(label_map, None)
        # The largest of the softmax is 1 / sum(exp(logits - best)).
        probability = 1 / (logits - best[:, None]).float().exp_().sum(1)
        confidence_map = (probability[0] * 255).round().byte().cpu().numpy()
        return SegmentationResult(label_map, _resize(confidence_map, size, cv2.INTER_LINEAR))

    def _to_tensor(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 -> (1, 3, H', W') in 0..1 at working size, channels_last."""
        width, height = self._work_size or (image.shape[1], image.shape[0])
        nearest = self._model.size_rule.nearest
        size = (nearest(width), nearest(height))
        image = np.ascontiguousarray(_resize(image, size, cv2.INTER_LINEAR))
        if not image.flags.writeable:
            image = image.copy()
        pixels = torch.from_numpy(image).to(self.device)
        # Interleaved pixels are what channels_last means: a view, no transposition.
        return pixels.to(self.dtype).div_(255)[None].permute(0, 3, 1, 2)


def _check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"expected an RGB image of shape (H, W, 3) and dtype uint8, "
            f"got {image.shape} {image.dtype}"
        )


def _resize(picture: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return cv2.resize(picture, size, interpolation=interpolation)
