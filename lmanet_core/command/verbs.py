"""The verbs of `lmanet` by name. To add one, write its module and name it in `VERBS`."""

from __future__ import annotations

from lmanet_core.program.registry import Registry
from lmanet_core.program.verb import Verb

_HERE = (
    *("adapt", "adjust", "attention", "convert", "doctor", "evaluate", "export", "info", "join"),
    *("label", "mix", "reproduce", "train"),
)
VERBS: Registry[Verb] = Registry(
    "verb",
    "lmanet.verbs",
    {
        **{name: f"lmanet_core.command.{name}" for name in _HERE},
        "benchmark": "lmanet_core.benchmark.benchmark_verb",
        "street": "lmanet_core.data.synthetic.street_sheet",
    },
)
"""Modules by name; installed packages announce theirs in the entry points of that group."""
