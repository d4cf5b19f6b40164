"""Hides what Humble's rclpy lacks; Python imports this at its start when PYTHONPATH has the folder.

After the sources of rclpy 3.3. What the package calls is to be missing here if it is missing there.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LATER_MODULES = (
    "rclpy.event_handler",
    "rclpy.logging_service",
    "rclpy.parameter_client",
    "rclpy.parameter_event_handler",
    "rclpy.service_introspection",
    "rclpy.type_description_service",
    "rclpy.type_hash",
)
LATER_NODE_METHODS = (
    "add_post_set_parameters_callback",
    "add_pre_set_parameters_callback",
    "count_clients",
    "count_services",
    "get_fully_qualified_node_names",
    "wait_for_node",
)
LATER_EVENTS = ("matched", "incompatible_type")


class _Humble(MetaPathFinder):
    """Takes away as soon as `rclpy.node`, which imports nearly all of rclpy, has been imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "rclpy.node":
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_hide(module: ModuleType) -> None:
            execute(module)
            sys.meta_path.remove(self)
            _hide(module)

        spec.loader.exec_module = execute_and_hide  # type: ignore[method-assign]
        return spec


def _hide(node: ModuleType) -> None:
    later = sys.modules["rclpy.event_handler"]
    events = ModuleType("rclpy.qos_event")
    vars(events).update({name: value for name, value in vars(later).items() if "__" not in name})
    for name in ("SubscriptionEventCallbacks", "PublisherEventCallbacks"):
        setattr(events, name, _without_later_events(getattr(later, name)))
    sys.modules["rclpy.qos_event"] = events
    for name in LATER_MODULES:
        # An import of it now fails as that of a module that is not there.
        sys.modules[name] = None  # type: ignore[assignment]
    for name in LATER_NODE_METHODS:
        delattr(node.Node, name)
    _take_messages_only(sys.modules["rclpy.subscription"].Subscription)
    _take_and_execute_apart(import_module("rclpy.executors").Executor)


def _without_later_events(callbacks: type) -> type:
    """A class of event callbacks that does not know the later events."""

    class Humble(callbacks):  # type: ignore[misc]
        def __init__(self, **known: Any) -> None:
            if unknown := [name for name in LATER_EVENTS if name in known]:
                raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
            super().__init__(**known)

    Humble.__name__ = callbacks.__name__
    return Humble


def _take_messages_only(subscription: type) -> None:
    """Callbacks get a message, and nothing about it."""
    create = subscription.__init__  # type: ignore[misc]

    def create_humble(
        self: Any,
        implementation: Any,
        kind: Any,
        topic: Any,
        callback: Any,
        *more: Any,
        **named: Any,
    ) -> None:
        create(self, implementation, kind, topic, lambda message: callback(message), *more, **named)

    subscription.__init__ = create_humble  # type: ignore[misc]


def _take_and_execute_apart(executor: type) -> None:
    """Handlers of executors are made of two functions: one takes, the other one executes."""
    make = executor._make_handler  # type: ignore[attr-defined]

    async def execute_taken(entity: Any, taken: Any) -> None:
        if taken is not None:
            await taken()

    def make_humble(
        self: Any, entity: Any, node: Any, take: Any, execute: Any = execute_taken
    ) -> Any:
        return make(self, entity, node, lambda entity: partial(execute, entity, take(entity)))

    def give_both(subclass: Any) -> None:
        if own := vars(subclass).get("_make_handler"):
            subclass._make_handler = lambda self, entity, node, take: own(
                self, entity, node, take, execute_taken
            )

    executor._make_handler = make_humble  # type: ignore[attr-defined]
    executor.__init_subclass__ = classmethod(give_both)  # type: ignore[assignment]


sys.meta_path.insert(0, _Humble())
