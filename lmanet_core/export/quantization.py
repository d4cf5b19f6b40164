"""Convolutions in int8: post-training quantisation by NNCF, for OpenVINO."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lmanet_core.runtime.backends.onnxruntime_backend import OnnxRuntimeBackend
from lmanet_core.runtime.graph_info import read_onnx_info


def quantize(onnx_path: Path, path: Path, images: Sequence[np.ndarray]) -> None:
    """Write an OpenVINO model, `.xml` and `.bin`, of an exported file.

    Attention stays as it is: its mask of infinities has no place on a scale of 256 steps, and its
    products are a small part of the work.

    Args:
        onnx_path: the file, in the tiled form.
        path: file to write, `*.xml`.
        images: a stream like those to come, in order; (H, W, 3) uint8 each.

    Raises:
        ValueError: a package is missing.
    """
    try:
        import nncf
        import openvino
    except ImportError as error:
        raise ValueError(
            f"quantising needs the packages nncf and openvino ({error}); "
            "install them with: pip install nncf openvino"
        ) from None
    # What is not quantised is listed below; NNCF would name each of its operations.
    nncf.set_log_level(logging.ERROR)
    graph = openvino.Core().read_model(str(onnx_path))
    quantized = nncf.quantize(
        graph,
        nncf.Dataset(_inputs(onnx_path, images)),
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(types=["MatMul", "Softmax", "Add", "Multiply", "Select"]),
    )
    openvino.save_model(quantized, str(path), compress_to_fp16=False)


def _inputs(onnx_path: Path, images: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
    """What the graph is given over the stream, the memory as it is at that time."""
    backend = OnnxRuntimeBackend(onnx_path, read_onnx_info(onnx_path))
    inputs = []
    for image in images:
        memory = {name: tensor.numpy().copy() for name, tensor in backend.inputs.items()}
        inputs.append({"image": image, **memory})
        backend.run(image, confidence=False)
    return inputs
