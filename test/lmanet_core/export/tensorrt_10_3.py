"""The class-based plugin under NVIDIA's own Python of TensorRT 10.3; a process of its own.

    python tensorrt_10_3.py FOLDER

The compiled part of it comes from the wheel `tensorrt-cu12-bindings` in FOLDER. The three libraries
that it wants export nothing but the few C functions which are replaced here, and so is the driver.
"""

import os
import subprocess
import sys
import tempfile
from ctypes import CDLL, RTLD_GLOBAL
from pathlib import Path
from types import ModuleType, SimpleNamespace

FUNCTIONS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getPluginRegistry",
    "getBuilderPluginRegistry", "getNvOnnxParserVersion", "initLibNvInferPlugins",
)  # fmt: skip
HEIGHT, WIDTH, FRAMES, WINDOW = 33, 50, 3, 21


def load_tensorrt(folder: str) -> ModuleType:
    with tempfile.TemporaryDirectory() as made:
        source = Path(made) / "stub.c"
        source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
        for name in ("nvinfer", "nvonnxparser", "nvinfer_plugin"):
            library = f"lib{name}.so.10"
            path = Path(made) / library
            command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{library}", source, "-o", path]
            subprocess.run(command, check=True)
            CDLL(str(path), RTLD_GLOBAL)
        sys.path.insert(0, folder)
        import tensorrt_bindings
    sys.modules["tensorrt"] = tensorrt_bindings
    return tensorrt_bindings


def record_launches() -> list[tuple]:
    """What the driver is told to start, from now on."""
    launches: list[tuple] = []
    driver = SimpleNamespace(
        cuModuleLoadData=lambda ptx: (0, ("module", ptx)),
        cuModuleGetFunction=lambda module, name: (0, (module, name)),
        cuLaunchKernel=lambda *arguments: launches.append(arguments) or (0,),
    )
    sys.modules["cuda"] = ModuleType("cuda")
    sys.modules["cuda.bindings"] = ModuleType("cuda.bindings")
    sys.modules["cuda.bindings"].driver = driver
    return launches


def main() -> None:
    trt = load_tensorrt(sys.argv[1])
    assert trt.__version__ == "10.3.0"
    launches = record_launches()

    import torch

    from lmanet_core.export.plugin_kernel import class_plugin_kernels, plugin_launch
    from lmanet_core.runtime.pytorch.tensorrt_plugin_v3 import LocalAttentionCreator

    def described(*shape: int, dtype=trt.float16):
        tensor = trt.DynamicPluginTensorDesc()
        desc = tensor.desc
        desc.dims, desc.type, desc.format = trt.Dims(shape), dtype, trt.TensorFormat.LINEAR
        tensor.desc = desc
        return tensor

    cells = (HEIGHT, WIDTH)
    inputs = [
        described(*cells, 16),
        described(FRAMES, *cells, 16),
        described(FRAMES, *cells, 64),
        described(1, dtype=trt.int32),
    ]
    outputs = [described(*cells, 64)]

    window = torch.tensor([WINDOW], dtype=torch.int32).numpy()
    field = trt.PluginField("window_size", window, trt.PluginFieldType.INT32)
    creator = LocalAttentionCreator(class_plugin_kernels(87))
    fields = trt.PluginFieldCollection([field])
    plugin = creator.create_plugin("node", fields, trt.TensorRTPhase.BUILD)
    assert all(plugin.supports_format_combination(i, inputs + outputs, 4) for i in range(5))
    wrong = [*inputs[:3], described(1, dtype=trt.float32), *outputs]
    assert not plugin.supports_format_combination(3, wrong, 4)
    assert plugin.get_output_data_types([trt.float16, trt.float16]) == [trt.float16]
    plugin.configure_plugin(inputs, outputs)

    # Out of an engine it comes with its kernel, and with nothing to compile it.
    kept = plugin.get_fields_to_serialize()
    robot = LocalAttentionCreator(None).create_plugin("node", kept, trt.TensorRTPhase.RUNTIME)
    assert robot.kernel == plugin.kernel
    assert ".version 8.5" in robot.kernel.ptx
    running = robot.attach_to_context(None)
    running.on_shape_change(inputs, outputs)
    descs = [tensor.desc for tensor in inputs], [tensor.desc for tensor in outputs]
    running.enqueue(*descs, [11, 22, 33, 44], [55], 0, 99)
    (_, name), *sizes, shared_memory, stream, (arguments, types), _ = launches[0]

    tensors = [torch.empty(tuple(tensor.desc.dims), dtype=torch.float16, device="meta")
               for tensor in (*inputs[:3], *outputs)]  # fmt: skip
    count = torch.empty(1, dtype=torch.int32, device="meta")
    expected = plugin_launch(*tensors[:3], count, tensors[3], WINDOW, compute_capability=87)
    assert name == b"plugin_kernel"
    assert tuple(sizes) == (*expected.grid, 32 * expected.warps, 1, 1)
    assert 0 < shared_memory <= 48 << 10
    assert stream == 99
    assert arguments == (11, 22, 33, 44, HEIGHT, WIDTH, 55)
    assert len(types) == len(arguments)
    print("accepted", flush=True)
    # Past the library's own end, which would look for the registry.
    os._exit(0)


if __name__ == "__main__":
    main()
