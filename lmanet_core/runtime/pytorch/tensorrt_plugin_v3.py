"""The node `com.lmanet::LocalAttention` for TensorRT 10.0 to 10.12.

Those take no kernel that is compiled ahead of time, so this is a plugin in Python, which starts the
kernel on TensorRT's stream through NVIDIA's `cuda-bindings`. Source, grid and block of it are
fields of the plugin, and so a part of the engine: who runs it needs no Triton. Import this module
where TensorRT is, only, and call `register` before an engine is built or loaded.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorrt as trt

from lmanet_core.runtime.pytorch.compiled_kernel import CompiledKernel

NAMESPACE, NAME, VERSION = "", "LocalAttention", "1"
"""Where TensorRT's parser looks for a node that it does not know, whatever its domain."""


Compile = Callable[[int, int, int, Any], CompiledKernel]
"""Makes the kernel for key channels, value channels, window size and TensorRT's type of numbers."""


class LocalAttentionPlugin(
    trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime
):
    """One node of a graph; shapes as in `lmanet_core.export.attention_forms`.

    Args:
        window_size: side of the window.
        compile: makes a kernel when an engine is built; None when one is loaded.
        kernel: what it has made.
    """

    def __init__(
        self, window_size: int, compile: Compile | None, kernel: CompiledKernel | None = None
    ) -> None:
        for base in type(self).__bases__:
            base.__init__(self)  # type: ignore[misc]
        self.plugin_namespace, self.plugin_name, self.plugin_version = NAMESPACE, NAME, VERSION
        self.num_outputs = 1
        self.window_size = window_size
        self.kernel = kernel
        self._compile = compile
        self._function: Any = None

    def get_capability_interface(self, type: Any) -> LocalAttentionPlugin:
        """All of them are this object."""
        return self

    def clone(self) -> LocalAttentionPlugin:
        """Another one that does the same."""
        return LocalAttentionPlugin(self.window_size, self._compile, self.kernel)

    def get_output_data_types(self, input_types: Sequence[Any]) -> list[Any]:
        """The query's."""
        return [input_types[0]]

    def get_output_shapes(
        self, inputs: Sequence[Any], shape_inputs: Sequence[Any], builder: Any
    ) -> list[Any]:
        """(H, W, Dv)."""
        query, values = inputs[0], inputs[2]
        shape = trt.DimsExprs(3)
        shape[0], shape[1], shape[2] = query[0], query[1], values[3]
        return [shape]

    def supports_format_combination(self, pos: int, in_out: Sequence[Any], num_inputs: int) -> bool:
        """float16 or float32 throughout and int32 for the count, all in their plain order."""
        tensor = in_out[pos].desc
        if tensor.format != trt.TensorFormat.LINEAR:
            return False
        if pos == 3:
            return bool(tensor.type == trt.int32)
        if pos == 0:
            return tensor.type in (trt.float16, trt.float32)
        return bool(tensor.type == in_out[0].desc.type)

    def configure_plugin(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Compile the kernel; types and channels are known now."""
        if self._compile is not None:
            query, values = inputs[0].desc, inputs[2].desc
            self.kernel = self._compile(query.dims[2], values.dims[3], self.window_size, query.type)

    def on_shape_change(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Nothing depends on the size."""

    def attach_to_context(self, context: Any) -> LocalAttentionPlugin:
        """A plugin of its own for each execution context."""
        return self.clone()

    def get_fields_to_serialize(self) -> Any:
        """What `LocalAttentionCreator` makes the plugin of again, out of an engine."""
        fields = [_number("window_size", self.window_size)]
        if self.kernel is not None:
            # As a name: the Python of TensorRT 10.3 gives back arrays as their first element, again
            # and again.
            fields.append(_number(json.dumps(asdict(self.kernel)), 0))
        # TensorRT reads the arrays after this has returned.
        self._fields = fields
        return trt.PluginFieldCollection(fields)

    def enqueue(
        self,
        input_desc: Sequence[Any],
        output_desc: Sequence[Any],
        inputs: Sequence[int],
        outputs: Sequence[int],
        workspace: int,
        stream: int,
    ) -> None:
        """Start the kernel on TensorRT's stream.

        Raises:
            RuntimeError: the driver refuses it.
        """
        from cuda.bindings import driver

        kernel = self.kernel
        assert kernel is not None
        if self._function is None:
            # Kept: a function must not outlive its module.
            self._module = _checked(driver.cuModuleLoadData(kernel.ptx.encode() + b"\0"))
            self._function = _checked(
                driver.cuModuleGetFunction(self._module, kernel.name.encode())
            )
        height, width, value_channels = output_desc[0].dims
        addresses = ctypes.c_void_p
        arguments = (*inputs, height, width, *outputs)
        types = (*[addresses] * 4, ctypes.c_int32, ctypes.c_int32, addresses)
        _checked(
            driver.cuLaunchKernel(
                self._function,
                *kernel.grid(height, width, value_channels),
                *(kernel.threads, 1, 1),
                kernel.shared_memory,
                stream,
                (arguments, types),
                0,
            )
        )


class LocalAttentionCreator(trt.IPluginCreatorV3One):
    """Makes the plugin of a node's attributes, or of what an engine has kept."""

    def __init__(self, compile: Compile | None) -> None:
        trt.IPluginCreatorV3One.__init__(self)
        self.plugin_namespace, self.name, self.plugin_version = NAMESPACE, NAME, VERSION
        self.field_names = trt.PluginFieldCollection([_number("window_size", 0)])
        self._compile = compile

    def create_plugin(self, name: str, fields: Any, phase: Any) -> LocalAttentionPlugin:
        """The plugin; when an engine is loaded it has its kernel already."""
        known = {field.name: field.data for field in fields}
        window_size = int(known.pop("window_size")[0])
        if phase == trt.TensorRTPhase.BUILD:
            return LocalAttentionPlugin(window_size, self._compile)
        (kernel,) = (name for name in known if name.startswith("{"))
        return LocalAttentionPlugin(window_size, None, CompiledKernel(**json.loads(kernel)))


_creator: LocalAttentionCreator | None = None


def register(compile: Compile | None = None) -> None:
    """Make the node known to TensorRT, for engines that are built or loaded from now on.

    Args:
        compile: makes the kernel, where an engine is built.
    """
    global _creator
    registry = trt.get_plugin_registry()
    if _creator is None:
        _creator = LocalAttentionCreator(compile)
        registry.register_creator(_creator, NAMESPACE)
    elif compile is not None:
        _creator._compile = compile


def _number(name: str, value: int) -> Any:
    return trt.PluginField(name, np.array([value], np.int32), trt.PluginFieldType.INT32)


def _checked(result: tuple) -> Any:
    """What a call of the driver returns beside its status.

    Raises:
        RuntimeError: the status is an error.
    """
    status, *values = result
    if int(status) != 0:
        raise RuntimeError(f"the CUDA driver refuses the kernel of local attention: {status}")
    return values[0] if values else None
