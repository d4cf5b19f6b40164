"""ONNX Runtime, on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from lmanet_core.runtime.backends.graph_backend import GraphBackend
from lmanet_core.runtime.graph_info import GraphFileError, GraphInfo

_TYPES = {
    torch.float32: np.float32,
    torch.float16: np.float16,
    torch.int32: np.int32,
    torch.uint8: np.uint8,
}


class OnnxRuntimeBackend(GraphBackend):
    """Runs an ONNX file, in the precision it was exported in.

    Args:
        path: the file, in the tiled form.
        info: what it says of itself.

    Raises:
        GraphFileError: ONNX Runtime does not take the file.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, info: GraphInfo) -> None:
        super().__init__(info, torch.device("cpu"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's own exceptions have no common base.
        except Exception as error:
            raise GraphFileError(f"ONNX Runtime does not take {path}: {error}") from None
        self.connect()

    def connect(self) -> None:
        """Bind the buffers to the session."""
        self._binding = self._session.io_binding()
        for name, tensor in self.inputs.items():
            self._binding.bind_input(name, *_place(tensor))
        for name, tensor in self.outputs.items():
            self._binding.bind_output(name, *_place(tensor))

    def infer(self, image: np.ndarray) -> None:
        """Run the graph; the image is read where it is."""
        self._binding.bind_input("image", "cpu", 0, np.uint8, image.shape, image.ctypes.data)
        self._session.run_with_iobinding(self._binding)


def _place(tensor: Tensor) -> tuple:
    """Device, its number, type, shape and address."""
    return "cpu", 0, _TYPES[tensor.dtype], tuple(tensor.shape), tensor.data_ptr()
