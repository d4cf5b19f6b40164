"""Network files: what they give, what they refuse, and that nothing of it needs PyTorch."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from export_cases import MEMORY_SIZE, SIZE, TINY, TinyBackbone, assert_streams_alike

from lmanet_core import build_model, kernel
from lmanet_core.command.__main__ import main
from lmanet_core.network.size_rule import SizeRule
from lmanet_core.runtime import GraphFileError, open_segmenter
from lmanet_core.runtime.backends.cpu_graph import RUNTIMES
from lmanet_core.runtime.graph_info import GraphInfo
from lmanet_core.runtime.network_file import read_network_file, write_network_file

pytest.importorskip("onnxruntime", reason="the extra `export` is missing")
pytest.importorskip("onnxscript", reason="the extra `export` is missing")
pytest.importorskip("openvino", reason="openvino is not installed")

import onnx

from lmanet_core.export import export_network
from lmanet_core.export.quantization import quantize
from lmanet_core.runtime.backends import openvino_graph

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_a_clip_from_a_cold_start_gets_the_labels_of_the_library(tiny, clip, tiny_network, backend):
    library = open_segmenter(tiny, precision="fp32")
    exported = open_segmenter(tiny, model_file=tiny_network, backend=backend, precision="fp32")
    other = exported.new_stream()
    assert_streams_alike(library, exported, clip[: MEMORY_SIZE + 3])
    library.reset()
    assert_streams_alike(library, other, clip[5:8])
    assert exported.backend.filled == MEMORY_SIZE, "each stream has a memory of its own"


@pytest.mark.parametrize(
    ("setting", "backend"),
    [
        ({"memory_size": 0}, "onnxruntime"),
        (
            {"value_channels": None, "fusion": "bottleneck", "memory_policy": "every_nth"},
            "openvino",
        ),
        (
            {
                "backbone": "tiny_aligned",
                "value_channels": None,
                "fusion": "blend",
                "key_form": "located",
                "key_channels": 12,
            },
            "openvino",
        ),
    ],
)
def test_other_memories_are_exported_too(clip, tmp_path, setting, backend):
    """None, and those of the features themselves, one of which keeps every second frame."""
    model = build_model(replace(TINY, **setting)).eval()
    export_network(model, tmp_path / "model.lmanet", work_size=SIZE)
    exported = open_segmenter(
        model_file=tmp_path / "model.lmanet", backend=backend, precision="fp32", threads=1
    )
    assert_streams_alike(open_segmenter(model, precision="fp32"), exported, clip[:5])


def test_small_logits_are_recorded_and_older_files_go_on_working(clip, tmp_path):
    """Those made before files said of which size their logits are, which had that of the image."""
    model = build_model(replace(TINY, backbone="tiny_resized")).eval()
    path, older = tmp_path / "model.lmanet", tmp_path / "older.lmanet"
    info = export_network(model, path, work_size=SIZE, any_size=True)
    assert info.logits_size == (SIZE[0] // 8, SIZE[1] // 8)
    assert info.at((128, 32)).logits_size == (16, 4)
    large = build_model(TINY).eval()
    record = json.loads(export_network(large, older, work_size=SIZE).to_json())
    assert record.pop("logits_size") == list(SIZE)
    assert record.pop("corners_aligned") is False
    write_network_file(older, GraphInfo.from_json(json.dumps(record)), read_network_file(older)[1])
    with pytest.raises(ValueError, match="expected the entries"):
        GraphInfo.from_json(json.dumps({**record, "unheard_of": 1}))
    for network, file in ((model, path), (large, older)):
        exported = open_segmenter(model_file=file, backend="onnxruntime", threads=1)
        assert_streams_alike(open_segmenter(network, precision="fp32"), exported, clip[:3])


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("memory_size", [MEMORY_SIZE, 0])
def test_files_with_channels_in_front_go_on_working(
    tiny, clip, tiny_network, tmp_path, backend, memory_size
):
    """Those made before files said that channels are innermost between the graphs."""
    info, graphs = read_network_file(tiny_network)
    record = json.loads(info.to_json())
    assert record.pop("channels_last") is True
    older = {
        "before.onnx": _with_channels_in_front(graphs["before.onnx"], ("features", "query_value")),
        "after.onnx": _with_channels_in_front(graphs["after.onnx"], ("features", "query_value")),
    }
    older["before.onnx"] = _with_channels_in_front(older["before.onnx"], ("query",))
    write_network_file(tmp_path / "older.lmanet", GraphInfo.from_json(json.dumps(record)), older)
    exported = open_segmenter(
        model_file=tmp_path / "older.lmanet",
        backend=backend,
        precision="fp32",
        memory_size=memory_size,
    )
    library = open_segmenter(tiny, precision="fp32", memory_size=memory_size)
    assert_streams_alike(library, exported, clip[:4])


def _with_channels_in_front(content: bytes, ports: tuple[str, ...]) -> bytes:
    """A graph with inputs or outputs (h, w, C) of these names that are (1, C, h, w) instead."""
    graph = (model := onnx.load_from_string(content)).graph
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "batch"))
    for port in [*graph.input, *graph.output]:
        if (name := port.name) not in ports:
            continue
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [f"{name}_last" if n == name else n for n in names]
        height, width, channels = port.type.tensor_type.shape.dim
        front, last, middle = name, f"{name}_last", f"{name}_middle"
        if port in list(graph.input):
            nodes = [
                onnx.helper.make_node("Squeeze", [front, "batch"], [middle]),
                onnx.helper.make_node("Transpose", [middle], [last], perm=[1, 2, 0]),
            ]
            nodes += graph.node
        else:
            nodes = [
                *graph.node,
                onnx.helper.make_node("Transpose", [last], [middle], perm=[2, 0, 1]),
                onnx.helper.make_node("Unsqueeze", [middle, "batch"], [front]),
            ]
        sides = [1, channels.dim_value, height.dim_value, width.dim_value]
        port.CopyFrom(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sides))
        del graph.node[:]
        graph.node.extend(nodes)
    return model.SerializeToString()


def test_what_is_values_and_features_is_between_the_graphs_once(tmp_path):
    model = build_model(replace(TINY, value_channels=None, fusion="blend")).eval()
    info = export_network(model, tmp_path / "model.lmanet", work_size=SIZE)
    before, after = (
        onnx.load_from_string(graph).graph
        for graph in read_network_file(tmp_path / "model.lmanet")[1].values()
    )
    assert [port.name for port in before.output] == ["query", "key", "features"]
    assert [port.name for port in after.input] == ["read", "features", "filled"]
    for port in (*before.output, *after.input[:2]):
        *sides, _ = (side.dim_value for side in port.type.tensor_type.shape.dim)
        assert tuple(sides) == info.feature_size[::-1], "channels are innermost"


def test_images_of_other_sizes_are_resized_as_in_the_library(tiny, tiny_network):
    image = np.random.default_rng(0).integers(0, 256, (50, 97, 3), dtype=np.uint8)
    library = open_segmenter(tiny, precision="fp32", work_size=SIZE)
    exported = open_segmenter(model_file=tiny_network, precision="fp32")
    assert np.array_equal(exported.step(image).labels, library.step(image).labels)


def test_a_file_for_any_size_keeps_the_proportions_of_each_camera(tiny, tiny_network, tmp_path):
    path = tmp_path / "any.lmanet"
    export_network(tiny, path, work_size=SIZE, any_size=True, half_weights=True)
    assert path.stat().st_size < 0.7 * tiny_network.stat().st_size
    pixels = SIZE[0] * SIZE[1]
    for backend in ("openvino", "onnxruntime"):
        exported = open_segmenter(model_file=path, backend=backend, precision="fp32", memory_size=1)
        library = open_segmenter(tiny, memory_size=1, precision="fp32", work_pixels=pixels)
        for shape in ((60, 80, 3), (100, 50, 3), (60, 80, 3)):
            clip = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
            assert_streams_alike(library, exported, clip, least=0.98)
    fixed = open_segmenter(model_file=path, precision="fp32", work_size=(90, 30))
    library = open_segmenter(tiny, precision="fp32", work_size=(90, 30))
    assert_streams_alike(library, fixed, clip, least=0.98)


def test_a_network_whose_sides_are_odd_has_no_file_for_any_size(tmp_path, monkeypatch):
    monkeypatch.setattr(TinyBackbone, "size_rule", SizeRule(multiple=8, offset=1))
    model = build_model(TINY).eval()
    with pytest.raises(ValueError, match="any_size is for networks that take all multiples"):
        export_network(model, tmp_path / "no.lmanet", work_size=SIZE, any_size=True)


@pytest.mark.parametrize("has_instructions", [True, False])
def test_memory_is_in_bfloat16_where_graphs_and_kernel_are(
    tiny, clip, tiny_network, monkeypatch, has_instructions
):
    if has_instructions and kernel.best_instruction_set() != "avx512_bf16":
        pytest.skip("this processor has no instructions for bfloat16")
    if not has_instructions:
        monkeypatch.setattr(openvino_graph, "best_instruction_set", lambda: "avx2")
    exported = open_segmenter(model_file=tiny_network, backend="openvino", precision="bf16")
    streams = exported, exported.new_stream()
    library = open_segmenter(tiny, precision="fp32")
    for image in clip[:5]:
        expected = library.step(image).labels
        assert all((s.step(image).labels == expected).mean() > 0.95 for s in streams)
    assert exported.backend.inputs["keys"].itemsize == (2 if has_instructions else 4)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_frames_on_their_own_run_through_one_graph(tiny, clip, tiny_network, backend, monkeypatch):
    loaded = []
    runtime = RUNTIMES.find(backend)
    load = runtime.__init__
    monkeypatch.setattr(runtime, "__init__", lambda *of: loaded.append(of) or load(*of))
    exported = open_segmenter(model_file=tiny_network, backend=backend, memory_size=0)
    library = open_segmenter(tiny, memory_size=0, precision="fp32")
    assert_streams_alike(library, exported, clip[:2], least=0.98)
    assert len(loaded) == 1
    assert (exported.backend.memory_size, exported.backend.attention) == (0, "none")


def test_a_checkpoint_that_is_given_too_must_be_the_exported_one(
    tiny, tiny_checkpoint, tiny_network
):
    open_segmenter(tiny_checkpoint, model_file=tiny_network)
    with pytest.raises(GraphFileError, match="another network than the checkpoint"):
        open_segmenter("street", model_file=tiny_network)


def test_damaged_files_are_refused(tiny_network, tmp_path):
    content = bytearray(tiny_network.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (content, content[:-100]):
        path = tmp_path / "damaged.lmanet"
        path.write_bytes(damaged)
        with pytest.raises(GraphFileError, match=r"truncated or damaged.*lmanet export"):
            open_segmenter(model_file=path)


def test_a_network_in_int8_says_what_that_costs(tiny, clip, tmp_path):
    pytest.importorskip("nncf", reason="the extra `int8` is missing")
    path, source = tmp_path / "int8.lmanet", tmp_path / "fp32.lmanet"
    export_network(tiny, source, work_size=SIZE, any_size=True)
    info = quantize(source, path, list(clip[:4]), list(clip[4:6]))
    pair = [open_segmenter(model_file=file, backend="openvino", precision="fp32")
            for file in (source, path)]  # fmt: skip
    alike = [np.equal(*(s.step(i).labels for s in pair)).mean() for i in clip[4:6]]
    assert info.agreement == pytest.approx(np.mean(alike), abs=1e-3)
    assert 0.8 < info.agreement < 1
    assert read_network_file(path)[0] == info
    with pytest.raises(ValueError, match="expected a network file in fp32, got int8"):
        quantize(path, tmp_path / "again.lmanet", list(clip[:1]), list(clip[:1]))
    with pytest.raises(ValueError, match="others to compare on"):
        quantize(source, tmp_path / "again.lmanet", list(clip[:1]), [])
    exported = open_segmenter(model_file=path)
    assert (exported.backend.precision, exported.backend.memory_size) == ("int8", MEMORY_SIZE)
    library = open_segmenter(tiny, precision="fp32")
    shares = [(exported.step(i).labels == library.step(i).labels).mean() for i in clip[:4]]
    assert min(shares) > 0.8
    assert exported.step(np.zeros((60, 100, 3), np.uint8)).labels.shape == (60, 100)
    assert exported.network_size == (80, 48), "in the image's proportions"
    with pytest.raises(ValueError, match="backend must be 'openvino'"):
        open_segmenter(model_file=path, backend="onnxruntime")


def test_the_program_calibrates_also_without_memory(tiny_checkpoint, tmp_path, capsys):
    pytest.importorskip("nncf", reason="the extra `int8` is missing")
    path = tmp_path / "int8.lmanet"
    width, height = SIZE
    arguments = ["export", str(tiny_checkpoint), str(path), "--size", f"{width}x{height}"]
    arguments += ["--precision", "int8", "--calibrate", "synthetic", "--memory-size", "0"]
    assert main([*arguments, "--calibration-frames", "4", "--held-out-frames", "2"]) == 0
    info, _ = read_network_file(path)
    assert f"int8 gives {info.agreement:.2%} of the pixels" in capsys.readouterr().out
    exported = open_segmenter(model_file=path)
    assert exported.backend.memory_size == 0
    assert exported.step(np.zeros((height, width, 3), np.uint8)).labels.shape == SIZE[::-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "int8"], "--precision int8 and --calibrate go together"),
        (["--precision", "fp16"], "fp32 or int8"),
        (["--operator", "tiled"], "--operator is for the formats"),
    ],
)
def test_options_that_do_not_fit_are_explained(tiny_checkpoint, tmp_path, capsys, options, message):
    assert main(["export", str(tiny_checkpoint), str(tmp_path / "no.lmanet"), *options]) == 1
    assert message in capsys.readouterr().err


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # whoever imports it now finds that it is missing
from importlib import import_module
for name in {modules!r}:
    import_module(name)
import numpy as np
from lmanet_core import load
from lmanet_core.command.__main__ import main
from lmanet_core.program.extras import MissingExtraError
from lmanet_core.runtime import open_segmenter
for backend in ("openvino", "onnxruntime"):
    segmenter = open_segmenter(model_file={file!r}, backend=backend)
    for _ in range(3):
        assert segmenter.step(np.zeros((64, 64, 3), np.uint8)).labels.shape == (64, 64)
    assert segmenter.backend.filled == 3
assert main(["info", {file!r}]) == 0
assert main(["doctor"]) == 0
for words in (["info", "street"], ["export", "a", "b"], ["convert", "a", "b"]):
    assert main(words) == 1
try:
    load()
except MissingExtraError as error:
    assert "extra 'torch'" in str(error), error
else:
    raise AssertionError("loaded without PyTorch")
"""
FREE_OF_TORCH = (
    *("lmanet_core/kernel", "lmanet_core/network", "lmanet_core/output", "lmanet_core/program"),
    *("lmanet_core/runtime", "lmanet_core/command", "lmanet_ros"),
)
"""Folders that must be importable without PyTorch; so must the modules right in `lmanet_core`."""
MAY_NEED_TORCH = "lmanet_core/runtime/pytorch"
NEED_OTHERS = ("lmanet_ros/launching/launch_actions.py", "lmanet_ros/rerun_display.py")
"""Of what not every machine has: ROS' launch, and Rerun."""


def modules_free_of_torch() -> list[str]:
    files = [*PROJECT.glob("lmanet_core/*.py")]
    for folder in FREE_OF_TORCH:
        files += (PROJECT / folder).rglob("*.py")
    names = (str(file.relative_to(PROJECT)) for file in files if file.stem != "__main__")
    free = (name for name in names if not name.startswith((MAY_NEED_TORCH, *NEED_OTHERS)))
    return sorted(name.removesuffix(".py").replace("/", ".") for name in free)


def test_what_runs_exported_files_does_without_torch(tiny_network):
    modules = modules_free_of_torch()
    assert "lmanet_ros.node.managed_node" in modules
    if find_spec("rclpy") is None:
        modules = [name for name in modules if not name.startswith("lmanet_ros")]
    script = WITHOUT_TORCH.format(modules=modules, file=str(tiny_network))
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for fact in ("fused", "19: road", "noise"):
        assert fact in result.stdout, "what `lmanet info` says of the file"
    assert result.stderr.count("pip install '.[") == 3, "programs name the extra, too"
