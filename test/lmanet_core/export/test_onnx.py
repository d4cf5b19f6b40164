"""Exported graphs give what the library gives, on all backends that run here."""

import numpy as np
import onnx
import pytest
import torch
from conftest import FRAMES, MEMORY_SIZE, SIZE

from lmanet_core import VideoSegmenter
from lmanet_core.runtime import RingBuffer, open_segmenter

BACKENDS = ("onnxruntime", "openvino")


@pytest.fixture(params=BACKENDS)
def exported(request, model, tiled_onnx):
    return open_segmenter(model, engine=tiled_onnx, backend=request.param, precision="fp32")[0]


def test_a_clip_from_a_cold_start_gets_the_labels_of_the_library(model, clip, exported):
    library = VideoSegmenter(model, precision="fp32")
    agreeing = 0.0
    for index, image in enumerate(clip):
        expected, result = library.step(image), exported.step(image)
        agreeing += (result.labels == expected.labels).mean() / FRAMES
        difference = result.confidence.astype(int) - expected.confidence
        assert np.abs(difference).max() <= 1, f"frame {index}"
        assert exported.filled == library.filled
    assert agreeing >= 0.999


@pytest.fixture(scope="module")
def onnx_with_logits(tiled_onnx, tmp_path_factory):
    """The exported file with what its labels are the maxima of as a further output."""
    proto = onnx.load(tiled_onnx)
    (argmax,) = (node for node in proto.graph.node if node.op_type == "ArgMax")
    proto.graph.output.append(onnx.ValueInfoProto(name=argmax.input[0]))
    path = tmp_path_factory.mktemp("logits") / "logits.onnx"
    onnx.save(onnx.shape_inference.infer_shapes(proto), path)
    return path, argmax.input[0]
