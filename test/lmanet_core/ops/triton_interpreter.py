"""A process in which Triton's kernels run on the CPU.

Whether they do is settled when Triton is imported, so that a process can either interpret kernels
or compile them. Two properties of the interpreter (Triton 3.2 to 3.9) are mended on the way.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


@contextmanager
def triton_interpreter() -> Iterator[ProcessPoolExecutor]:
    """An executor with one such process; what is submitted must be importable there."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_prepare) as executor:
        yield executor


def _prepare() -> None:
    os.environ["TRITON_INTERPRET"] = "1"
    import torch
    from triton.runtime import interpreter

    torch.set_num_threads(1)
    _patch_the_language_once(interpreter)
    _multiply_bfloat16_as_numbers(interpreter)


def _patch_the_language_once(interpreter) -> None:
    """Not in each call of a function by a kernel, where it would take nearly all of the time."""
    patch, patched = interpreter._patch_lang, set()
    # Releases before 3.6 undo nothing, so they want nothing.
    scope = getattr(interpreter, "_LangPatchScope", lambda: None)

    def patch_once(function):
        module = function.__globals__["__name__"]
        if module not in patched:
            patched.add(module)
            patch(function)
            # Numpy takes one number for an index, but not a vector with one element.
            interpreter.tl.tensor.__index__ = lambda self: int(self.handle.data.item())
        return scope()

    interpreter._patch_lang = patch_once


def _multiply_bfloat16_as_numbers(interpreter) -> None:
    """Not as the 16-bit integers that stand for them."""
    multiply, language = interpreter.InterpreterBuilder.create_dot, interpreter.tl

    def as_numbers(handle):
        if handle.dtype != language.bfloat16:
            return handle
        data = interpreter._convert_float(handle.data, handle.dtype, language.float32, None)
        return interpreter.TensorHandle(data.view("float32"), language.float32)

    interpreter.InterpreterBuilder.create_dot = lambda self, left, right, *rest: multiply(
        self, as_numbers(left), as_numbers(right), *rest
    )
