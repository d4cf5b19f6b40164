"""Compiles the CUDA kernels ahead of time, for chips that need not be there.

The one place that knows how releases of Triton, from 3.2 on, differ in that.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from lmanet_core.ops.implementations.triton_launch import Launch

_TYPES = {
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.float32: "*fp32",
    torch.int32: "*i32",
    torch.uint8: "*u8",
}


def compile_launch(launch: Launch, compute_capability: int, **options: Any) -> Any:
    """The kernel as Triton compiles it when it is started with these arguments on a device.

    Args:
        launch: kernel and arguments; tensors may be on the device "meta".
        compute_capability: 87 for example.
        options: of Triton's compiler, beside those of the launch.

    Returns:
        Triton's compiled kernel; `asm["ptx"]` and `metadata` are of use without a device.
    """
    target = GPUTarget("cuda", compute_capability, 32)
    # Line numbers would put names of this machine's folders into what is compiled.
    with _environment("TRITON_DISABLE_LINE_INFO", "1"):
        return triton.compile(_source(launch), target=target, options=launch.options | options)


def newest_ptx(compute_capability: int) -> int:
    """The newest version of PTX that this release's assembler takes for a chip, 88 for 8.8."""
    from triton.backends.nvidia import compiler

    own = compiler.get_ptx_version_from_options
    # Later releases have several assemblers, and ask for the chip, too.
    arguments = (SimpleNamespace(ptx_version=None), compute_capability)
    return own(*arguments[: len(inspect.signature(own).parameters)])


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _source(launch: Launch) -> ASTSource:
    constants, divisible, ones = dict(launch.constants), [], []
    signature = dict.fromkeys(launch.kernel.arg_names, "constexpr")
    for index, parameter in enumerate(launch.kernel.params):
        if parameter.name in constants:
            continue
        argument = launch.arguments[parameter.name]
        specialised = not parameter.do_not_specialize
        if isinstance(argument, Tensor):
            signature[parameter.name] = _TYPES[argument.dtype]
            divisible.append(index)
        elif argument == 1 and specialised:
            constants[parameter.name] = 1
            ones.append(index)
        else:
            signature[parameter.name] = "i32" if argument < 2**31 else "i64"
            if argument % 16 == 0 and specialised:
                divisible.append(index)
    if "constants" in inspect.signature(ASTSource).parameters:
        return _source_of_triton_3_2(launch, signature, constants, divisible, ones)
    indices = {(launch.kernel.arg_names.index(name),): value for name, value in constants.items()}
    attributes = {(index,): [["tt.divisibility", 16]] for index in divisible}
    return ASTSource(launch.kernel, signature, indices, attributes)


def _source_of_triton_3_2(
    launch: Launch,
    signature: dict[str, str],
    constants: dict[str, Any],
    divisible: list[int],
    ones: list[int],
) -> ASTSource:
    from triton.backends.compiler import AttrsDescriptor

    properties = {"tt.divisibility": divisible, "tt.equal_to": ones}
    attributes = AttrsDescriptor.from_dict({"cls": "AttrsDescriptor", "arg_properties": properties})
    numbers = {name: "i32" if kind == "constexpr" else kind for name, kind in signature.items()
               if name not in launch.constants}  # fmt: skip
    return ASTSource(launch.kernel, numbers, constants, attributes)
