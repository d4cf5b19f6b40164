"""PyTorch, on CPUs and CUDA devices; needs no exported file."""

from __future__ import annotations

import copy

import cv2
import numpy as np
import torch
from torch import Tensor

from lmanet_core.config import MAX_MEMORY_SIZE
from lmanet_core.models import LMANet
from lmanet_core.runtime.backend import Prediction
from lmanet_core.runtime.folding import fold_batch_norms
from lmanet_core.runtime.images import resize
from lmanet_core.runtime.precision import resolve_device, resolve_precision
from lmanet_core.runtime.ring_buffer import RingBuffer


class TorchBackend:
    """Runs a model as it is, at any size; for arguments and errors see `VideoSegmenter`."""

    name = "torch"

    def __init__(
        self,
        model: LMANet,
        memory_size: int | None = None,
        precision: str = "auto",
        device: str = "auto",
        work_size: tuple[int, int] | None = None,
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
        self.memory_size = memory_size
        self.device = resolve_device(device)
        self.dtype = resolve_precision(precision, self.device)
        self._work_size = work_size
        self._store: RingBuffer | None = None
        if memory_size > 0:
            self._store = RingBuffer(memory_size, model.config.write_interval)
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

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """The work size, or else the image's, rounded to what the model accepts."""
        width, height = self._work_size or image_size
        nearest = self._model.size_rule.nearest
        return nearest(width), nearest(height)

    def reset(self) -> None:
        """Forget all frames."""
        if self._store is not None:
            self._store.clear()

    def new_stream(self) -> TorchBackend:
        """The same weights with a memory of their own; see `Backend`."""
        stream = copy.copy(self)
        if self._store is not None:
            stream._store = RingBuffer(self.memory_size, self._store.write_interval)
        return stream

    @torch.inference_mode()
    def run(self, image: np.ndarray, *, confidence: bool) -> Prediction:
        """Segment a frame and remember it; see `Backend`."""
        logits = self._model.step(self._to_tensor(image), self._store)
        best, labels = logits.max(1)
        label_map = labels[0].byte().cpu().numpy()
        if not confidence:
            return Prediction(label_map, None)
        # The largest of the softmax is 1 / sum(exp(logits - best)).
        probability = 1 / (logits - best[:, None]).float().exp_().sum(1)
        return Prediction(label_map, (probability[0] * 255).round().byte().cpu().numpy())

    def _to_tensor(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 -> (1, 3, H', W') in 0..1 at working size, channels_last."""
        size = self.network_size((image.shape[1], image.shape[0]))
        image = np.ascontiguousarray(resize(image, size, cv2.INTER_LINEAR))
        if not image.flags.writeable:
            image = image.copy()
        pixels = torch.from_numpy(image).to(self.device)
        # Interleaved pixels are what channels_last means: a view, no transposition.
        return pixels.to(self.dtype).div_(255)[None].permute(0, 3, 1, 2)
