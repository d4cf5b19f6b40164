"""TensorRT and TensorRT-RTX, on a CUDA device."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from lmanet_core.runtime.backend import Prediction
from lmanet_core.runtime.backends.graph_backend import GraphBackend
from lmanet_core.runtime.engine_file import EngineInfo
from lmanet_core.runtime.graph_info import GraphFileError
from lmanet_core.runtime.pytorch.replay import Replays, capture
from lmanet_core.runtime.pytorch.transfer import Transfer


class TensorRtBackend(GraphBackend):
    """Runs an engine on a stream of its own; the memory never leaves the device.

    Images go through pinned memory. From the second image of a size on, the engine is replayed as
    a CUDA graph if it can be captured.

    Args:
        path: where the engine is from, for messages.
        info: what it says of itself.
        plan: the engine.
        device: a CUDA device.

    Raises:
        ValueError: the device is not a CUDA device.
        GraphFileError: the engine is for another GPU or release, or cannot be loaded.
    """

    def __init__(self, path: Path, info: EngineInfo, plan: bytes, device: torch.device) -> None:
        if device.type != "cuda":
            raise ValueError(
                f"device must be a CUDA device for the engine {path}, and PyTorch must see it; "
                f"got '{device}'"
            )
        trt = import_module(info.runtime)
        major, minor = torch.cuda.get_device_capability(device)
        check_engine(path, info, trt.__version__, f"sm_{major}{minor}")
        self._device = device
        super().__init__(info.graph, str(device))
        self.name = info.runtime
        self._largest = info.largest_image
        # Later releases have the plugin's kernel in the engine, and ask for nothing.
        if info.graph.operator == "plugin" and not hasattr(trt, "QuickPluginCreationRequest"):
            from lmanet_core.runtime.pytorch import tensorrt_plugin_v3

            tensorrt_plugin_v3.register()
        logger = trt.Logger(trt.Logger.ERROR)
        # Kept: an engine must not outlive its runtime.
        self._runtime = trt.Runtime(logger)
        # TensorRT puts an engine on the device that is current.
        with torch.cuda.device(device):
            self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise GraphFileError(f"{info.runtime} cannot load {path}; {_remedy(path, info)}")
        self.connect()

    def zeros(self, shape: tuple[int, ...], kind: str) -> torch.Tensor:
        """A tensor on the device."""
        return torch.zeros(shape, dtype=getattr(torch, kind), device=self._device)

    def connect(self) -> None:
        """Give the buffers to an execution context and a CUDA stream of their own."""
        with torch.cuda.device(self._device):
            self._context = self._engine.create_execution_context()
        self._stream = torch.cuda.Stream(self._device)
        for name, tensor in {**self.inputs, **self.outputs}.items():
            self._context.set_tensor_address(name, tensor.data_ptr())
        self._transfer = Transfer(self._device)
        self._image = torch.empty(0, device=self._device)
        self._replays: Replays[None] = Replays(partial(capture, stream=self._stream))
        # The buffers were filled on another stream.
        torch.cuda.synchronize(self._device)

    def reset(self) -> None:
        """Forget all frames; the slots stay as they are, and are not read."""
        with torch.cuda.stream(self._stream):
            super().reset()

    @torch.inference_mode()
    def run(self, image: np.ndarray, *, confidence: bool) -> Prediction:
        """Segment a frame and remember it; see `Backend`."""
        with torch.cuda.stream(self._stream):
            return super().run(image, confidence=confidence)

    def infer(self, image: np.ndarray, confidence: bool) -> None:
        """Start the engine; the stream is not waited for.

        Raises:
            ValueError: the image is larger than the engine was built for.
            RuntimeError: TensorRT reports an error.
        """
        check_image_size(image.shape, self._largest)
        (pixels,) = self._transfer.upload([image])
        if (pixels.data_ptr(), pixels.shape) != (self._image.data_ptr(), self._image.shape):
            self._replays.forget()
            self._context.set_input_shape("image", tuple(pixels.shape))
            self._context.set_tensor_address("image", pixels.data_ptr())
            self._image = pixels
        self._replays.run(image.shape, self._execute)

    def fetch(self, name: str) -> np.ndarray:
        """A copy of an output for the host."""
        return self._transfer.download(self.outputs[name])

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            raise RuntimeError(f"{self.name} could not run the engine; see its messages")


def check_engine(path: Path, info: EngineInfo, version: str, gpu: str) -> None:
    """Refuse an engine that another release or another GPU is needed for.

    Args:
        path: where it is from, for the message.
        info: what it says of itself.
        version: version of the installed runtime.
        gpu: compute capability of the device, such as 'sm_87'.

    Raises:
        GraphFileError: it cannot run here.
    """
    if info.version != version:
        raise GraphFileError(
            f"{path} was built by {info.runtime} {info.version}, installed is {version}; "
            f"{_remedy(path, info)}"
        )
    if gpu not in info.gpus:
        raise GraphFileError(
            f"{path} was built for {', '.join(info.gpus)}, this GPU is {gpu}; {_remedy(path, info)}"
        )


def check_image_size(shape: tuple[int, ...], largest: tuple[int, int]) -> None:
    """Refuse an image that the engine has no room for.

    Args:
        shape: (H, W, 3) of the image.
        largest: (width, height) that the engine was built for.

    Raises:
        ValueError: a side is longer.
    """
    height, width, _ = shape
    if width > largest[0] or height > largest[1]:
        raise ValueError(
            f"the engine takes images of up to {largest[0]}x{largest[1]}, got {width}x{height}; "
            f"build one that takes it with: lmanet export ... --largest-image {width}x{height}"
        )


def _remedy(path: Path, info: EngineInfo) -> str:
    width, height = info.graph.work_size
    return (
        f"rebuild it here with: lmanet export CHECKPOINT {path} --format tensorrt "
        f"--runtime {info.runtime} --precision {info.graph.precision} --size {width}x{height} "
        f"--memory-size {info.graph.memory_size} --rebuild-if-stale"
    )
