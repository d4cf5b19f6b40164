"""What only a GPU can show: engines run there, and give what the library gives."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from export_cases import SIZE

from lmanet_core.runtime import open_segmenter

pytestmark = pytest.mark.gpu

FORMS = [("tensorrt", "plugin"), ("tensorrt", "tiled"), ("tensorrt_rtx", "tiled")]


@pytest.fixture(params=FORMS, ids="-".join)
def form(request):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if find_spec(request.param[0]) is None:
        pytest.skip(f"{request.param[0]} is not installed")
    return request.param


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_engine_gives_what_the_library_gives(model, clip, tmp_path, form, precision):
    from lmanet_core.export import EngineOptions, build_engine

    runtime, operator = form
    path = tmp_path / "erfnet.engine"
    options = EngineOptions(runtime, operator, precision, work_size=SIZE)
    info = build_engine(model, path, options)
    assert info.graph.operator == operator
    library = open_segmenter(model, precision="fp32", device="cpu")
    engine = open_segmenter(model, model_file=path)
    assert engine.backend.name == runtime
    agreeing = []
    for image in clip:
        expected, result = library.step(image), engine.step(image)
        agreeing.append((result.labels == expected.labels).mean())
        difference = result.confidence.astype(int) - expected.confidence
        assert np.abs(difference).max() <= (2 if precision == "fp32" else 12)
    assert np.mean(agreeing) >= (0.999 if precision == "fp32" else 0.98)


def test_the_memory_stays_where_it_is(model, clip, tmp_path, form):
    from lmanet_core.export import EngineOptions, build_engine

    runtime, operator = form
    path = tmp_path / "erfnet.engine"
    build_engine(model, path, EngineOptions(runtime, operator, work_size=SIZE))
    engine = open_segmenter(model, model_file=path)
    for image in clip[:3]:
        engine.step(image)
    allocated = torch.cuda.memory_allocated()
    for image in clip[3:10]:
        engine.step(image)
    assert torch.cuda.memory_allocated() == allocated
