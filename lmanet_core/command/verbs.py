"""Where the verbs of `lmanet` are found."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

ENTRY_POINT_GROUP = "lmanet.verbs"
"""Where installed packages announce verbs: modules as `lmanet_core.program.verb.Verb` says."""

VERBS = {
    **{
        name: f"lmanet_core.command.{name}"
        for name in (
            *("adapt", "attention", "convert", "doctor", "evaluate", "export", "info", "join"),
            *("label", "mix", "reproduce", "train"),
        )
    },
    "benchmark": "lmanet_core.benchmark.verb",
    "street": "lmanet_core.data.synthetic.street_sheet",
}
"""This package's own, by name."""


def find_verbs() -> dict[str, EntryPoint]:
    """The module of each verb, not imported yet."""
    announced = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    own = {name: EntryPoint(name, module, ENTRY_POINT_GROUP) for name, module in VERBS.items()}
    return announced | own
