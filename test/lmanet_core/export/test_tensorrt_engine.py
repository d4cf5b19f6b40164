"""Real engines, built by TensorRT-RTX on the CPU, and those that are refused."""

from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO

import pytest
import torch
from export_cases import MEMORY_SIZE, SIZE

from lmanet_core.command.__main__ import main
from lmanet_core.runtime import GraphFileError, choose_backend, open_segmenter
from lmanet_core.runtime.engine_file import EngineInfo, read_engine, write_engine
from lmanet_core.runtime.graph_info import read_onnx_info
from lmanet_core.runtime.pytorch.tensorrt_backend import check_engine, check_image_size

trt = pytest.importorskip("tensorrt_rtx", reason="the extra `export` is missing")

from lmanet_core.export import EngineOptions, build_engine, tensorrt_engine  # noqa: E402
from lmanet_core.export.tensorrt_engine import build_plan  # noqa: E402

CHIPS = ("sm_86", "sm_89", "sm_120")


@pytest.fixture(scope="module")
def engine(tiny_checkpoint, tmp_path_factory):
    """An engine for the chips that TensorRT-RTX builds for without a GPU, by the program."""
    path = tmp_path_factory.mktemp("engine") / "tiny.engine"
    with redirect_stdout(StringIO()) as said:
        assert main(command(tiny_checkpoint, path)) == 0
    assert "the engine gets the tiled form" in said.getvalue()
    return path


def command(checkpoint, path, *options: str) -> list[str]:
    width, height = SIZE
    return [
        *("export", str(checkpoint), str(path), "--format", "tensorrt"),
        *("--runtime", "tensorrt_rtx", "--gpus", "86", "89", "120"),
        *("--size", f"{width}x{height}", "--largest-image", "640x480", *options),
    ]


def test_an_engine_says_what_it_is(engine, tiny):
    info, plan = read_engine(engine)
    assert info.runtime == "tensorrt_rtx"
    assert info.version == trt.__version__
    assert info.gpus == CHIPS
    assert info.largest_image == (640, 480)
    assert info.graph.operator == "tiled", "the plugin, which TensorRT-RTX does not take"
    assert info.graph.precision == "fp16"
    assert (info.graph.work_size, info.graph.memory_size) == (SIZE, MEMORY_SIZE)
    assert len(plan) > 1000


def test_erfnet_builds_for_all_chips_in_single_precision(erfnet_onnx, monkeypatch):
    shapes = []
    add_profile = trt.IBuilderConfig.add_optimization_profile

    def record_shapes(config, profile):
        shapes.extend(map(tuple, profile.get_shape("image")))
        return add_profile(config, profile)

    monkeypatch.setattr(trt.IBuilderConfig, "add_optimization_profile", record_shapes)
    info = EngineInfo(
        read_onnx_info(erfnet_onnx), "tensorrt_rtx", trt.__version__, CHIPS, (640, 480)
    )
    assert info.graph.precision == "fp32"
    assert len(build_plan(erfnet_onnx, info)) > 1000
    # Rows come first: any image up to 640x480, fast where none is resized.
    assert shapes == [(1, 1, 3), (*SIZE[::-1], 3), (480, 640, 3)]


def test_the_graph_in_an_engine_is_what_the_engine_says(tiny, tmp_path, monkeypatch):
    built = []

    def build(onnx_path, info, timing_cache):
        built.append(read_onnx_info(onnx_path))
        return b"plan"

    monkeypatch.setattr(tensorrt_engine, "build_plan", build)
    options = EngineOptions(
        "tensorrt_rtx", precision="fp32", work_size=(64, 32), memory_size=2, chips=(89,)
    )
    build_engine(tiny, tmp_path / "a.engine", options, say=lambda _: None)
    assert built == [read_engine(tmp_path / "a.engine")[0].graph]
    assert (built[0].memory_size, built[0].work_size) == (2, (64, 32))


def test_a_file_is_rebuilt_if_it_is_stale_and_left_alone_otherwise(
    engine, tiny_checkpoint, tiny, capsys
):
    before = engine.stat().st_mtime_ns
    assert main(command(tiny_checkpoint, engine, "--rebuild-if-stale")) == 0
    assert "is up to date" in capsys.readouterr().out
    assert engine.stat().st_mtime_ns == before
    info, plan = read_engine(engine)
    write_engine(engine, replace(info, version="1.0"), plan)
    assert main(command(tiny_checkpoint, engine, "--rebuild-if-stale")) == 0
    assert "differs in version" in capsys.readouterr().out
    assert read_engine(engine)[0].version == trt.__version__


def test_an_engine_of_elsewhere_is_refused_with_the_command_that_rebuilds_it(engine):
    info, _ = read_engine(engine)
    check_engine(engine, info, info.version, "sm_89")
    for version, gpu, message in (("99.0", "sm_89", "installed is 99.0"), (info.version, "sm_87",
                                  "this GPU is sm_87")):  # fmt: skip
        with pytest.raises(GraphFileError, match=message) as refusal:
            check_engine(engine, info, version, gpu)
        words = str(refusal.value)
        assert f"lmanet export CHECKPOINT {engine} --format tensorrt" in words
        assert "--rebuild-if-stale" in words


def test_images_beyond_the_profile_are_refused():
    check_image_size((480, 640, 3), (640, 480))
    with pytest.raises(ValueError, match=r"up to 640x480, got 640x481.*--largest-image 640x481"):
        check_image_size((481, 640, 3), (640, 480))


def test_auto_takes_what_the_engine_was_built_for(engine):
    choice = choose_backend("auto", engine)
    assert choice.backend == "tensorrt_rtx"
    assert engine.name in choice.reason
    with pytest.raises(ValueError, match="backend must be 'tensorrt_rtx'"):
        choose_backend("openvino", engine)


def test_an_engine_needs_a_cuda_device(engine, tiny):
    with pytest.raises(ValueError, match="device must be a CUDA device"):
        open_segmenter(tiny, model_file=engine, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_without_a_gpu_an_engine_blames_no_device_that_nobody_set(engine, tiny):
    with pytest.raises(ValueError, match="model_file must be one for CPUs here"):
        open_segmenter(tiny, model_file=engine)


def test_damaged_engines_never_get_to_tensorrt(engine, tiny, tmp_path):
    content = bytearray(engine.read_bytes())
    path = tmp_path / "damaged.engine"
    damages = {
        "truncated or damaged": content[:-1000],
        "damaged record": content[:100],
        "no metadata of lmanet|not a readable ONNX file": b"TensorRT" + content[8:],
    }
    for message, damaged in damages.items():
        path.write_bytes(damaged)
        with pytest.raises(GraphFileError, match=message):
            open_segmenter(tiny, model_file=path)
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(GraphFileError, match="truncated or damaged"):
        open_segmenter(tiny, model_file=path)


def test_options_that_cannot_be_met_are_explained(tiny, tmp_path):
    path = tmp_path / "no.engine"
    for options, message in (
        (EngineOptions(runtime="magic"), "runtime must be one of"),
        (EngineOptions(runtime="tensorrt_rtx", chips=(61,)), "cannot build for all of"),
    ):
        with pytest.raises(ValueError, match=message):
            build_engine(tiny, path, options, say=lambda _: None)
    assert not path.exists()


def test_the_plugins_node_is_nothing_for_tensorrt_rtx(plugin_onnx):
    """Without the plugin its parser says so; `build_engine` does not let it come to that."""
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    network = trt.Builder(logger).create_network(0)
    assert not trt.OnnxParser(network, logger).parse(plugin_onnx.read_bytes())
