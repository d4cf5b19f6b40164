"""Pictures on their way to a device and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lmanet_core.network.resizing import as_buffer


class Transfer:
    """Uploads images and downloads what was made of them.

    On a CUDA device both go through pinned memory, images as the bytes that they are, and only a
    download waits for the device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._images: dict[int, tuple[Tensor, Tensor]] = {}
        self._maps = torch.empty(0, dtype=torch.uint8)

    def upload(self, images: Sequence[np.ndarray]) -> Tensor:
        """Images (H, W, 3) uint8 of one size as (B, H, W, 3) on the device.

        The next upload of as many images may overwrite them; as long as the size stays, it does.
        """
        if self._device.type != "cuda":
            whole = images[0][None] if len(images) == 1 else np.stack(images)
            return torch.from_numpy(as_buffer(whole)).to(self._device)
        shape = (len(images), *images[0].shape)
        if len(images) not in self._images or self._images[len(images)][0].shape != shape:
            pinned = torch.empty(shape, dtype=torch.uint8).pin_memory()
            self._images[len(images)] = pinned, torch.empty_like(pinned, device=self._device)
        pinned, pixels = self._images[len(images)]
        np.stack(images, out=pinned.numpy())
        return pixels.copy_(pinned, non_blocking=True)

    def download(self, maps: Tensor) -> np.ndarray:
        """A uint8 tensor for the host, when the device is done with all that it was given."""
        if self._device.type != "cuda":
            return maps.cpu().numpy()
        if self._maps.shape != maps.shape:
            self._maps = torch.empty(maps.shape, dtype=torch.uint8).pin_memory()
        self._maps.copy_(maps, non_blocking=True)
        torch.cuda.current_stream(self._device).synchronize()
        return self._maps.numpy().copy()
