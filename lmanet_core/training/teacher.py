"""Labels for video that has none, from a network that is asked several times."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from lmanet_core.models import LMANet
from lmanet_core.network.classes import IGNORE_LABEL
from lmanet_core.network.resizing import as_buffer, resize
from lmanet_core.runtime.pytorch.folding import fold_batch_norms
from lmanet_core.runtime.pytorch.precision import resolve_device, resolve_precision
from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer
from lmanet_core.training.multi_scale import all_views, averaged_probabilities

SCALES = (0.75, 1.0, 1.5)
"""Scales at which images are seen, by default."""


class Teacher:
    """Averages what a network says at several scales, mirrored and not, and is silent where that
    is unsure. A network with a memory has one for each of these views.

    Args:
        model: the network; a copy of it is converted, the caller's stays as it is.
        scales: scales of the images.
        mirror: whether each scale is seen mirrored, too.
        min_confidence: 0..1, mean probability from which on a pixel gets a label.
        precision, device: as `open_segmenter` takes them.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        model: LMANet,
        scales: Sequence[float] = SCALES,
        mirror: bool = True,
        min_confidence: float = 0.7,
        precision: str = "auto",
        device: str = "auto",
    ) -> None:
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be one positive factor or several, got {list(scales)}")
        self.classes = model.config.classes
        self._min_confidence = min_confidence
        self._device = resolve_device(device)
        self._dtype = resolve_precision(precision, self._device)
        self._model = copy.deepcopy(model).eval().requires_grad_(False)
        fold_batch_norms(self._model)
        self._model.to(self._device, self._dtype)
        # PyTorch's annotations lack this overload.
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stores = {view: self._new_store() for view in all_views(scales, mirror)}

    @torch.inference_mode()
    def label(self, image: np.ndarray) -> np.ndarray:
        """Labels (H, W) uint8 of the next frame, (H, W, 3) uint8, RGB; 255 where it is not sure."""
        best, labels = averaged_probabilities(
            list(self._stores),
            partial(self._pixels, image),
            lambda pixels, view: self._model.step(pixels, self._stores[view]),
            image.shape[:2],
        )[0].max(0)
        labels[best < self._min_confidence] = IGNORE_LABEL
        return labels.byte().cpu().numpy()

    def _pixels(self, image: np.ndarray, scale: float) -> Tensor:
        """(1, 3, about scale * H, about scale * W) of an image, as the network takes it."""
        height, width = image.shape[:2]
        nearest = self._model.size_rule.nearest
        size = nearest(round(scale * width)), nearest(round(scale * height))
        picture = resize(image, size, cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        pixels = torch.from_numpy(as_buffer(picture)).to(self._device, self._dtype).div_(255)
        return pixels[None].permute(0, 3, 1, 2)

    def _new_store(self) -> RingBuffer | None:
        config = self._model.config
        if config.memory_size == 0:
            return None
        return RingBuffer(config.memory_size, config.write_interval)
