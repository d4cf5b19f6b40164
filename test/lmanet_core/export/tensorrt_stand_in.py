"""NVIDIA's Python for plugins over a stand-in for the library, which needs a GPU's driver.

`tensorrt.plugin`, the Python that checks a plugin's functions and calls them, comes from the wheel
`tensorrt-cu13-bindings`. Below it the library is replaced by classes that do nothing and by
expressions that are computed at once.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest


@dataclass(frozen=True)
class Size:
    height: int
    width: int
    frames: int
    key_channels: int
    value_channels: int

    @property
    def inputs(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of query, keys and values."""
        cells = (self.height, self.width)
        return (
            (*cells, self.key_channels),
            (self.frames, *cells, self.key_channels),
            (self.frames, *cells, self.value_channels),
        )


@dataclass(frozen=True)
class Made:
    """What the library would be told."""

    output_shape: tuple[int, ...]
    output_dtype: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_memory: int
    numbers: tuple[int, ...]
    kernel_name: str


class DimensionExpression:
    """`trt.IDimensionExpr` of a shape that is known."""

    def __init__(self, value: int) -> None:
        self.value = value

    def is_constant(self) -> bool:
        return True

    def get_constant_value(self) -> int:
        return self.value


class Operation(Enum):
    SUM, SUB, PROD, FLOOR_DIV, CEIL_DIV, EQUAL, LESS, MAX, MIN = range(9)


class ExpressionBuilder:
    """`trt.IExprBuilder`."""

    def constant(self, value: int) -> DimensionExpression:
        return DimensionExpression(value)

    def operation(self, operation, first, second) -> DimensionExpression:
        a, b = first.value, second.value
        compute = {
            Operation.SUM: lambda: a + b,
            Operation.SUB: lambda: a - b,
            Operation.PROD: lambda: a * b,
            Operation.FLOOR_DIV: lambda: a // b,
            Operation.CEIL_DIV: lambda: -(-a // b),
        }
        return DimensionExpression(compute[operation]())


class Descriptor:
    """`trt.PluginTensorDesc` and `trt.DynamicPluginTensorDesc`."""

    def __init__(self, dims=(), dtype=None) -> None:
        self.dims, self.type, self.format, self.scale = dims, dtype, "LINEAR", 1.0
        self.desc = self


class Shapes(list):
    """`trt.DimsExprs`."""

    def __init__(self, length: int) -> None:
        super().__init__([None] * length)


class Dims(tuple):
    """`trt.Dims`."""

    MAX_DIMS = 8


class Library(ModuleType):
    """The module `tensorrt`; what is not replaced is a class that does nothing."""

    IDimensionExpr = DimensionExpression
    DimensionOperation = Operation
    DynamicPluginTensorDesc = Descriptor
    Dims = Dims
    DimsExprs = Shapes

    def __init__(self, folder: Path) -> None:
        super().__init__("tensorrt")
        self.__path__ = [str(folder)]
        names = ("float16", "float32", "int32", "int8", "int64", "bool", "bfloat16")
        for name in names:
            setattr(self, name, name)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (_Nothing,), {})
        setattr(self, name, made)
        return made


class _AnyAttribute(type):
    def __getattr__(cls, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return f"{cls.__name__}.{name}"


class _Nothing(metaclass=_AnyAttribute):
    def __init__(self, *_) -> None:
        pass

    def log(self, *_) -> None:
        pass

    def register_creator(self, *_) -> None:
        pass

    def get_creator(self, *_) -> None:
        pass


class Plugin:
    """The registered plugin, asked in the order in which the library asks."""

    def __init__(self) -> None:
        self._module = import_module("lmanet_core.export.tensorrt_plugin")
        self._classes = import_module("tensorrt.plugin._plugin_class")
        self._definition = import_module("tensorrt.plugin._lib").QDP_REGISTRY[
            self._module.PLUGIN_ID
        ]

    def build(self, size: Size, dtype: str, window_size: int, chip: int) -> Made:
        self._module.compile_for(chip)
        definition = self._definition
        plugin = self._classes._TemplateAOTPlugin("LocalAttention", "lmanet", 1)
        plugin.init(
            definition.register_func,
            {"window_size": window_size},
            definition.aot_impl_attr_names,
            definition.aot_impl_func,
            definition.autotune_attr_names,
            definition.autotune_func,
        )
        types = [dtype, dtype, dtype, "int32"]
        shapes = [*size.inputs, (1,)]
        (output_dtype,) = plugin.get_output_data_types(types, [len(shape) for shape in shapes])
        builder = ExpressionBuilder()
        dims = [[DimensionExpression(side) for side in shape] for shape in shapes]
        (output,) = plugin.get_output_shapes(dims, [], builder)
        output_shape = tuple(side.value for side in output)
        tensors = [Descriptor(*both) for both in zip(shapes, types, strict=True)]
        tensors.append(Descriptor(output_shape, output_dtype))
        plugin.set_tactic(0)
        launch, numbers = SimpleNamespace(), Numbers()
        plugin.get_launch_params(dims, tensors, len(shapes), launch, numbers, builder)
        name, _ = plugin.get_kernel(tensors[:-1], tensors[-1:])
        value = lambda prefix: tuple(  # noqa: E731
            getattr(launch, f"{prefix}_{axis}").expr.value for axis in "xyz"
        )
        return Made(
            output_shape,
            output_dtype,
            value("grid"),
            value("block"),
            launch.shared_mem.expr.value,
            tuple(number.expr.value for number in numbers.values()),
            name,
        )


class Numbers(dict):
    """`trt.ISymExprs`."""

    nbSymExprs = 0  # noqa: N815


@contextmanager
def tensorrt_stand_in() -> Iterator[Plugin]:
    """Skips the test where the wheel is missing, or where the real TensorRT would be replaced."""
    spec = find_spec("tensorrt_bindings")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the wheel tensorrt-cu13-bindings is not installed")
    if find_spec("tensorrt") is not None:
        pytest.skip("TensorRT itself is here: test_tensorrt_gpu.py has the real thing")
    before = set(sys.modules)
    sys.modules["tensorrt"] = Library(Path(spec.submodule_search_locations[0]))
    try:
        yield Plugin()
    finally:
        for name in set(sys.modules) - before:
            if name.split(".")[0] == "tensorrt" or name.endswith("export.tensorrt_plugin"):
                del sys.modules[name]
