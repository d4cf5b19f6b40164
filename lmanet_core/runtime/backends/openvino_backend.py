"""OpenVINO, on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import torch

from lmanet_core.runtime.backends.graph_backend import GraphBackend
from lmanet_core.runtime.graph_info import GraphFileError, GraphInfo

_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


class OpenVinoBackend(GraphBackend):
    """Runs an ONNX file in a precision that OpenVINO chooses, or in the one that is asked for.

    Args:
        path: the file, in the tiled form.
        info: what it says of itself.
        precision: 'auto', 'fp32', 'bf16' or 'fp16'.

    Raises:
        GraphFileError: OpenVINO does not take the file.
    """

    name = "openvino"

    def __init__(self, path: Path, info: GraphInfo, precision: str) -> None:
        super().__init__(info, torch.device("cpu"))
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": str(torch.get_num_threads()),
        }
        if precision != "auto":
            options["INFERENCE_PRECISION_HINT"] = _PRECISIONS[precision]
        try:
            self._compiled = openvino.Core().compile_model(str(path), "CPU", options)
        except RuntimeError as error:
            raise GraphFileError(f"OpenVINO does not take {path}: {error}") from None
        self.dtype = _dtype(self._compiled.get_property("INFERENCE_PRECISION_HINT"))
        self.connect()

    def connect(self) -> None:
        """Give the buffers to a request of their own."""
        self._request = self._compiled.create_infer_request()
        for name, tensor in {**self.inputs, **self.outputs}.items():
            self._request.set_tensor(name, openvino.Tensor(tensor.numpy(), shared_memory=True))

    def infer(self, image: np.ndarray) -> None:
        """Run the graph; the image is read where it is."""
        self._request.set_tensor("image", openvino.Tensor(image, shared_memory=True))
        self._request.infer()


def _dtype(precision: openvino.Type) -> torch.dtype:
    names = {"bf16": torch.bfloat16, "f16": torch.float16}
    return names.get(precision.get_type_name(), torch.float32)
