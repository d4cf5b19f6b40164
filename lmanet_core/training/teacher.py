"""Labels for video that has none, from a network that is asked several times."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lmanet_core.models import LMANet
from lmanet_core.network.classes import IGNORE_LABEL
from lmanet_core.network.resizing import as_buffer, resize
from lmanet_core.runtime.pytorch.folding import fold_batch_norms
from lmanet_core.runtime.pytorch.precision import resolve_device, resolve_precision
from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer


@dataclass(frozen=True)
class View:
    """A way to look at the images: enlarged by a factor, mirrored or not."""

    scale: float
    mirrored: bool


class Teacher:
    """Averages what a network says at several scales, mirrored and not, and is silent where that
    is unsure. A network with a memory has one for each of these views.

    Args:
        model: the network; a copy of it is converted, the caller's stays as it is.
        scales: of the images.
        mirror: whether each scale is seen mirrored, too.
        min_confidence: 0..1, mean probability from which on a pixel gets a label.
        precision, device: as `open_segmenter` takes them.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        model: LMANet,
        scales: Sequence[float] = (0.75, 1.0, 1.5),
        mirror: bool = True,
        min_confidence: float = 0.7,
        precision: str = "auto",
        device: str = "auto",
    ) -> None:
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be one positive factor or several, got {list(scales)}")
        if not 0 <= min_confidence <= 1:
            raise ValueError(f"min_confidence must be in 0..1, got {min_confidence}")
        self.classes = model.config.classes
        self._min_confidence = min_confidence
        self._device = resolve_device(device)
        self._dtype = resolve_precision(precision, self._device)
        self._model = copy.deepcopy(model).eval().requires_grad_(False)
        fold_batch_norms(self._model)
        self._model.to(self._device, self._dtype)
        # PyTorch's annotations lack this overload.
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        views = [View(scale, False) for scale in scales]
        views += [View(scale, True) for scale in scales if mirror]
        self._stores = {view: self._new_store() for view in views}

    def reset(self) -> None:
        """Forget all frames, before another video."""
        self._stores = {view: self._new_store() for view in self._stores}

    @torch.inference_mode()
    def label(self, image: np.ndarray) -> np.ndarray:
        """Labels (H, W) uint8 of the next frame, (H, W, 3) uint8, RGB; 255 where it is not sure."""
        views = [self._probabilities(image, view) for view in self._stores]
        best, labels = torch.stack(views).mean(0).max(0)
        labels[best < self._min_confidence] = IGNORE_LABEL
        return labels.byte().cpu().numpy()

    def _probabilities(self, image: np.ndarray, view: View) -> Tensor:
        """(num_classes, H, W) of each pixel, as one view has them."""
        height, width = image.shape[:2]
        nearest = self._model.size_rule.nearest
        size = nearest(round(view.scale * width)), nearest(round(view.scale * height))
        picture = resize(image, size, cv2.INTER_AREA if view.scale < 1 else cv2.INTER_LINEAR)
        pixels = torch.from_numpy(as_buffer(picture)).to(self._device, self._dtype).div_(255)
        pixels = pixels[None].permute(0, 3, 1, 2)
        logits = self._model.step(pixels.flip(3) if view.mirrored else pixels, self._stores[view])
        logits = logits.flip(3) if view.mirrored else logits
        probabilities = logits.float().softmax(1)
        return functional.interpolate(probabilities, (height, width), mode="bilinear")[0]

    def _new_store(self) -> RingBuffer | None:
        config = self._model.config
        if config.memory_size == 0:
            return None
        return RingBuffer(config.memory_size, config.write_interval)
