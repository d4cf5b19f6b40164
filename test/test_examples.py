"""Public functions and classes have an example in their docstring, and the examples hold."""

from __future__ import annotations

import doctest
import importlib
import inspect
import sys
from typing import Any

import pytest

MODULES = ("lmanet_core", "lmanet_core.runtime", "lmanet_core.ops", "lmanet_core.models")
WITHOUT = {
    # Protocols and plain records, whose attributes say all.
    *("Backend", "Backbone", "MemoryStore", "Prediction", "SegmentationResult", "Choice"),
    # Parts of a network, made by others.
    *("LocalMemory", "EnlargingDecoder", "SizeRule"),
    # Decided inside `open_segmenter`.
    "choose_backend",
}


def public_objects() -> list[Any]:
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for public in module.__all__:
            thing = getattr(module, public)
            is_error = inspect.isclass(thing) and issubclass(thing, Exception)
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and not is_error:
                found[public] = thing
    return [thing for name, thing in sorted(found.items()) if name not in WITHOUT]


@pytest.mark.parametrize("thing", public_objects(), ids=lambda thing: thing.__name__)
def test_the_example_of_a_public_object_holds(thing):
    names = dict(vars(sys.modules[thing.__module__]))
    examples = [
        example
        for example in doctest.DocTestFinder(recurse=False).find(thing, globs=names)
        if example.examples
    ]
    assert examples, "its docstring has no example"
    for example in examples:
        report: list[str] = []
        doctest.DocTestRunner().run(example, out=report.append)
        assert not report, "".join(report)
