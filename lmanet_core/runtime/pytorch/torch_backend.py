"""PyTorch, on CPUs and CUDA devices; needs no exported file."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lmanet_core.models import LMANet, MemoryStore
from lmanet_core.models.enlarging_decoder import logits_of
from lmanet_core.network.model_config import MAX_MEMORY_SIZE
from lmanet_core.network.resizing import resize_image
from lmanet_core.ops.implementation_choice import choose_implementation
from lmanet_core.runtime.backend import Prediction
from lmanet_core.runtime.pytorch.classification import classify
from lmanet_core.runtime.pytorch.folding import fold_batch_norms
from lmanet_core.runtime.pytorch.precision import (
    precision_name,
    resolve_device,
    resolve_precision,
)
from lmanet_core.runtime.pytorch.replay import Replays
from lmanet_core.runtime.pytorch.ring_buffer import BatchOfStores, RingBuffer
from lmanet_core.runtime.pytorch.transfer import Transfer


class TorchBackend:
    """Runs a model as it is, at any size.

    Args:
        model: the network; a copy of it is converted, the caller's stays as it is.
        memory_size, precision, device, work_size: as `lmanet_core.open_segmenter` takes them.
        antialias: as `lmanet_core.network.resizing.resize_image` takes it, for images that are
            resized.
        work_pixels: instead of `work_size`, how many pixels images are brought to, about, in their
            own proportions; with neither they keep their size.
        replay: whether steps on a CUDA device are replayed as graphs where they can be.

    Raises:
        ValueError: an argument is out of range, or the model has no memory to use.
    """

    name = "torch"
    batches = True

    def __init__(
        self,
        model: LMANet,
        memory_size: int | None = None,
        precision: str = "auto",
        device: str = "auto",
        work_size: tuple[int, int] | None = None,
        antialias: bool | None = None,
        work_pixels: int | None = None,
        replay: bool = True,
    ) -> None:
        memory_size = model.config.memory_size if memory_size is None else memory_size
        if not 0 <= memory_size <= MAX_MEMORY_SIZE:
            raise ValueError(f"memory_size must be in 0..{MAX_MEMORY_SIZE}, got {memory_size}")
        if memory_size > 0 and model.memory is None:
            raise ValueError(
                f"memory_size must be 0 for a single-frame network, which has no memory modules, "
                f"got {memory_size}"
            )
        smallest = model.size_rule.smallest
        if work_size is not None and min(work_size) < smallest:
            raise ValueError(
                f"work_size must be (width, height), each at least {smallest}, got {work_size}"
            )
        if work_size is not None and work_pixels is not None:
            raise ValueError("work_pixels is for images without a work_size, got both")
        self.memory_size = memory_size
        self._device = resolve_device(device)
        self._dtype = resolve_precision(precision, self._device)
        self.device = str(self._device)
        self.precision = precision_name(self._dtype)
        self.classes = model.config.classes
        self._work_size = work_size
        self._work_pixels = work_pixels
        self._antialias = antialias
        self._transfer = Transfer(self._device)
        self._may_replay = replay and self._device.type == "cuda"
        self._replays: Replays[tuple[Tensor, list[Tensor]]] = Replays()
        self._replayed = 0
        self._store: RingBuffer | None = None
        if memory_size > 0:
            self._store = RingBuffer(memory_size, model.config.write_interval)
        # channels_last is what convolutions run fastest in, on CPUs and GPUs.
        self._model = copy.deepcopy(model).eval().requires_grad_(False)
        # Before the conversion: folded in full precision, rounded once.
        fold_batch_norms(self._model)
        self._model.to(self._device, self._dtype)
        # PyTorch's annotations lack this overload.
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def attention(self) -> str:
        """See `Backend`."""
        if self.memory_size == 0:
            return "none"
        choice = choose_implementation(self._device, self._dtype)
        return f"{choice.name} ({choice.reason})" if choice.reason else choice.name

    @property
    def filled(self) -> int:
        """Number of past frames in memory."""
        return 0 if self._store is None else self._store.filled

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """The work size, or else the image's own or its proportions, as the model accepts it."""
        return self._model.size_rule.fit(self._work_size or image_size, self._work_pixels)

    def reset(self) -> None:
        """Forget all frames."""
        if self._store is not None:
            self._store.clear()

    def new_stream(self) -> TorchBackend:
        """A stream of the same weights with a memory of its own; see `Backend`."""
        stream = copy.copy(self)
        stream._replays, stream._replayed = Replays(), 0
        if self._store is not None:
            stream._store = RingBuffer(self.memory_size, self._store.write_interval)
        return stream

    def run(self, image: np.ndarray, *, confidence: bool) -> Prediction:
        """Segment a frame and remember it; see `Backend`."""
        return self._run([self._resize(image)], self._store, confidence)[0]

    def run_together(
        self, streams: Sequence[TorchBackend], images: Sequence[np.ndarray], *, confidence: bool
    ) -> list[Prediction]:
        """Step several streams, in batches of those that remember equally many frames; see
        `Backend`."""
        batches: dict[object, list[int]] = defaultdict(list)
        resized = [self._resize(image) for image in images]
        for index, (stream, image) in enumerate(zip(streams, resized, strict=True)):
            batches[image.shape, stream._store and stream._store.progress].append(index)
        predictions: dict[int, Prediction] = {}
        for batch in batches.values():
            stores = [store for index in batch if (store := streams[index]._store)]
            results = self._run(
                [resized[index] for index in batch],
                BatchOfStores(stores) if stores else None,
                confidence,
            )
            predictions.update(zip(batch, results, strict=True))
        return [predictions[index] for index in range(len(images))]

    @torch.inference_mode()
    def _run(
        self, images: Sequence[np.ndarray], store: MemoryStore | None, confidence: bool
    ) -> list[Prediction]:
        """Segment (H', W', 3) images of B streams."""
        pixels = self._transfer.upload(images)
        if self._can_replay(store):
            maps = self._replay(pixels, store, confidence)
        else:
            maps = self._step(pixels, store, confidence)
        label_maps, *confidences = self._transfer.download(maps)
        if not confidence:
            return [Prediction(label_map, None) for label_map in label_maps]
        return [Prediction(*both) for both in zip(label_maps, *confidences, strict=True)]

    def _step(self, pixels: Tensor, store: MemoryStore | None, confidence: bool) -> Tensor:
        """(B, H', W', 3) uint8 -> labels and, if wanted, confidence (1 or 2, B, H', W') uint8."""
        # Interleaved pixels are what channels_last means: a view, no transposition.
        images = pixels.to(self._dtype).div_(255).permute(0, 3, 1, 2)
        features = self._model.step_features(images, store)
        return classify(logits_of(self._model.decoder, features), confidence=confidence)

    def _can_replay(self, store: MemoryStore | None) -> bool:
        """Whether a step does the same for every frame, but for where the memory is written."""
        # A batch copies its memories together, anew for each frame.
        fixed = store is None or isinstance(store, RingBuffer)
        return self._may_replay and fixed and not self._model.config.write_before_read

    def _replay(self, pixels: Tensor, store: MemoryStore | None, confidence: bool) -> Tensor:
        """What `_step` does, as a CUDA graph for each size of the image and fill of the memory."""
        if pixels.data_ptr() != self._replayed:
            self._replays.forget()
            self._replayed = pixels.data_ptr()
        past = None if store is None else store.read()

        def compute() -> tuple[Tensor, list[Tensor]]:
            # Remembering is left out: it goes to another slot each time.
            frame = _Frame(past)
            return self._step(pixels, None if store is None else frame, confidence), frame.offered

        address = (0, 0) if past is None else (past[0].data_ptr(), past[0].shape[1])
        maps, offered = self._replays.run((address, pixels.shape, confidence), compute)
        if store is not None:
            store.write(*offered)
        return maps

    def _resize(self, image: np.ndarray) -> np.ndarray:
        size = self.network_size((image.shape[1], image.shape[0]))
        return resize_image(image, size, antialias=self._antialias)


class _Frame:
    """A memory to read from that keeps what is offered; a `MemoryStore`."""

    def __init__(self, past: tuple[Tensor, Tensor] | None) -> None:
        self._past = past
        self.offered: list[Tensor] = []

    def read(self) -> tuple[Tensor, Tensor] | None:
        return self._past

    def write(self, key: Tensor, value: Tensor) -> None:
        self.offered = [key, value]
