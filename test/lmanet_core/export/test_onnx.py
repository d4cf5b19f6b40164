"""Exported graphs give what the library gives, on all backends that run here."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from export_cases import FRAMES, MEMORY_SIZE, SIZE, TINY, assert_streams_alike

from lmanet_core import build_model
from lmanet_core.runtime import open_segmenter
from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer

onnx = pytest.importorskip("onnx", reason="the extra `export` is missing")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `export` is missing")
pytest.importorskip("openvino", reason="the extra `export` is missing")

from reference_evaluator import reference_evaluator  # noqa: E402

from lmanet_core.export import export_onnx  # noqa: E402
from lmanet_core.runtime.backends.openvino_graph import CORE  # noqa: E402

BACKENDS = ("onnxruntime", "openvino")


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def test_a_clip_from_a_cold_start_gets_the_labels_of_the_library(model, clip, erfnet_onnx, backend):
    library = open_segmenter(model, precision="fp32")
    exported = open_segmenter(model, model_file=erfnet_onnx, backend=backend, precision="fp32")
    assert len(clip) == FRAMES
    assert len(np.unique(library.step(clip[0]).labels)) > 5, "a network that says one thing only"
    library.reset()
    assert_streams_alike(library, exported, clip)
    exported.reset()
    library.reset()
    assert_streams_alike(library, exported, clip[:2])


def steps(run, images, info_of):
    """Logits of a stream whose memory is kept here, frame by frame."""
    keys, values = info_of("keys"), info_of("values")
    for index, image in enumerate(images):
        filled = np.array([min(index, MEMORY_SIZE)], np.int32)
        outputs = run({"image": image, "keys": keys, "values": values, "filled": filled})
        keys[index % MEMORY_SIZE], values[index % MEMORY_SIZE] = outputs["key"], outputs["value"]
        yield outputs["logits"]


def with_logits(path, folder):
    """The file with what its labels are the maxima of as a further output."""
    proto = onnx.load(path)
    (argmax,) = (node for node in proto.graph.node if node.op_type == "ArgMax")
    name = argmax.input[0]
    proto.graph.node.append(onnx.helper.make_node("Identity", [name], ["logits"]))
    proto.graph.output.append(onnx.helper.make_tensor_value_info("logits", 1, None))
    onnx.save(proto, folder / "logits.onnx")
    return folder / "logits.onnx"


def runner(backend, path):
    """Maps named inputs to named outputs."""
    if backend == "onnxruntime":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))
    if backend == "reference":
        evaluator = reference_evaluator(path)
        names = evaluator.output_names
        return lambda inputs: dict(zip(names, evaluator.run(None, inputs), strict=True))
    compiled = CORE.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [output.any_name for output in compiled.outputs]

    def run(inputs):
        results = compiled(inputs)
        return {name: results[name].copy() for name in names}

    return run


def assert_logits_agree(model, path, backend, clip, frames: int, folder) -> None:
    store = RingBuffer(MEMORY_SIZE)
    channels = model.config.key_channels, model.config.value_channels
    slots = dict(zip(("keys", "values"), channels, strict=True))
    cells = (MEMORY_SIZE, SIZE[1] // 8, SIZE[0] // 8)
    run = runner(backend, with_logits(path, folder))
    empty = {name: np.zeros((*cells, count), np.float32) for name, count in slots.items()}
    for image, logits in zip(clip, steps(run, clip[:frames], empty.get), strict=False):
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            expected = model.step(pixels, store)[0].numpy()
        assert np.abs(logits - expected).max() < 1e-3


def test_logits_agree_to_a_thousandth(model, clip, erfnet_onnx, backend, tmp_path):
    assert_logits_agree(model, erfnet_onnx, backend, clip, MEMORY_SIZE + 2, tmp_path)


def test_the_plugins_node_means_local_attention(tiny, clip, plugin_onnx, tmp_path):
    (node,) = (n for n in onnx.load(plugin_onnx).graph.node if n.op_type == "LocalAttention")
    assert node.domain == "com.lmanet"
    assert_logits_agree(tiny, plugin_onnx, "reference", clip, 2, tmp_path)


def test_the_tiled_form_is_made_of_standard_operators(tiny_onnx):
    proto = onnx.load(tiny_onnx)
    assert {(entry.domain, entry.version) for entry in proto.opset_import} == {("", 18)}
    onnx.checker.check_model(proto, full_check=True)


def test_an_image_may_be_read_only(tiny, tiny_onnx, clip, backend):
    stream = open_segmenter(tiny, model_file=tiny_onnx, backend=backend)
    frozen = clip[0].copy()
    frozen.flags.writeable = False
    again = stream.new_stream()
    assert np.array_equal(stream.step(frozen).labels, again.step(clip[0]).labels)


def test_images_of_any_size_are_resized_in_the_graph(tiny, tiny_onnx, backend):
    random = np.random.default_rng(1)
    small = random.integers(0, 256, (12, 17, 3), dtype=np.uint8)
    library = open_segmenter(tiny, precision="fp32", work_size=SIZE)
    exported = open_segmenter(tiny, model_file=tiny_onnx, backend=backend, precision="fp32")
    for image in (small, small.repeat(3, axis=0).repeat(3, axis=1), small):
        expected, result = library.step(image), exported.step(image)
        assert result.labels.shape == image.shape[:2]
        assert (result.labels == expected.labels).mean() > 0.98
    assert exported.backend.filled == 3, "the memory does not care about the camera's size"


def test_the_single_frame_network_remembers_nothing(clip, tmp_path):
    model = build_model(replace(TINY, memory_size=0)).eval()
    export_onnx(model, tmp_path / "model.onnx", work_size=SIZE)
    exported = open_segmenter(model, model_file=tmp_path / "model.onnx", backend="onnxruntime")
    assert_streams_alike(open_segmenter(model, precision="fp32"), exported, clip[:3])


def test_nothing_is_allocated_for_a_frame(tiny, tiny_onnx, clip, backend):
    exported = open_segmenter(tiny, model_file=tiny_onnx, backend=backend)
    runner = exported.backend
    tensors = {**runner.inputs, **runner.outputs}
    places = {name: tensor.ctypes.data for name, tensor in tensors.items()}
    results = [exported.step(image) for image in clip[:5]]
    assert places == {n: t.ctypes.data for n, t in {**runner.inputs, **runner.outputs}.items()}
    copies = [result.labels.copy() for result in results]
    exported.step(clip[5])
    for result, copy in zip(results, copies, strict=True):
        assert np.array_equal(result.labels, copy), "a result changed with the next frame"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operator": "magic"}, "operator must be one of"),
        ({"precision": "bf16"}, "precision must be one of"),
        ({"work_size": (4, 64)}, "at least 8"),
        ({"memory_size": 65}, "memory_size must be in 0..64"),
    ],
)
def test_wrong_arguments_are_explained(tiny, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        export_onnx(tiny, tmp_path / "no.onnx", **{"work_size": SIZE} | arguments)


@pytest.mark.parametrize("setting", [{"window_size": None}, {"write_before_read": True}])
def test_ablations_without_an_exported_form_are_refused(tmp_path, setting):
    model = build_model(replace(TINY, **setting))
    with pytest.raises(ValueError, match="have no exported form"):
        export_onnx(model, tmp_path / "no.onnx", work_size=SIZE)
