"""Recordings and live topics in Rerun."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import numpy as np
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions, install_signal_handlers
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from lmanet_core import ClassTable
from lmanet_core.program.extras import needs_extra
from lmanet_core.program.run_program import require_writable
from lmanet_core.runtime.network_classes import network_classes
from lmanet_ros.bags.reading import read_bag
from lmanet_ros.bags.topic_choice import IMAGE_TYPES, LABEL_NAMES, deserialize
from lmanet_ros.messages.class_json import from_json
from lmanet_ros.messages.image_conversion import check, to_labels, to_rgb
from lmanet_ros.messages.message_types import type_name
from lmanet_ros.node.arrival.subscription import AutoQosSubscription
from lmanet_ros.processes import init_ros

with needs_extra("rerun", "this"):
    import rerun

CLASSES = "/classes"
"""How the topics of class tables end."""
LOOK_PERIOD = 0.5
"""Seconds between two looks for topics that are not there yet."""


def show(arguments: argparse.Namespace) -> None:
    """Show what the options of `rerun_view` ask for."""
    if arguments.save:
        require_writable(arguments.save, folder=False)
    classes = network_classes(arguments.checkpoint)
    rerun.init("lmanet_ros", spawn=arguments.save is None)
    if arguments.save:
        rerun.save(arguments.save)
    _log_classes("/", classes)
    if arguments.topics:
        _follow(arguments.topics, ["--ros-args", *arguments.ros_args])
        return
    for message in read_bag(arguments.bag):
        if kind := _kind(message.topic, message.message_type):
            with _telling_damage(message.topic, message.received):
                _log(message.topic, deserialize(message, kind))


def _follow(topics: Sequence[str], args: list[str]) -> None:
    """Show topics, and the class tables beside them, from when they are there until Ctrl-C."""
    try:
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            # ROS' own handlers would shut the context down beneath a node that is being made.
            init_ros(args=args, signal_handler_options=SignalHandlerOptions.NO)
            node = rclpy.create_node("rerun_view")
            install_signal_handlers(SignalHandlerOptions.ALL)
            missing = {node.resolve_topic_name(topic) for topic in topics}
            missing |= {topic.rpartition("/")[0] + CLASSES for topic in missing}

            def receive(topic: str, message: Image | CompressedImage | String) -> None:
                with _telling_damage(topic, node.get_clock().now().nanoseconds):
                    _log(topic, message)

            def look() -> None:
                for topic, (name, *_) in node.get_topic_names_and_types():
                    if topic in missing and (kind := _kind(topic, name)):
                        missing.remove(topic)
                        AutoQosSubscription(node, kind, topic, partial(receive, topic)).open()

            node.create_timer(LOOK_PERIOD, look, clock=Clock(clock_type=ClockType.STEADY_TIME))
            rclpy.spin(node)
    finally:
        rclpy.try_shutdown()


def _kind(topic: str, name: str) -> type | None:
    """The type of a topic's messages, if there is something to see in them."""
    if topic.endswith(CLASSES) and name == type_name(String):
        return String
    return IMAGE_TYPES.get(name)


@contextmanager
def _telling_damage(topic: str, received: int) -> Iterator[None]:
    """Show what is wrong with a message in place of the message."""
    rerun.set_time("received", timestamp=np.datetime64(received, "ns"))
    try:
        yield
    except ValueError as error:
        rerun.log(topic, rerun.TextLog(str(error), level=rerun.TextLogLevel.WARN))


def _log(topic: str, message: Image | CompressedImage | String) -> None:
    if isinstance(message, String):
        _log_classes(topic.removesuffix(CLASSES), from_json(message.data))
    elif topic.removesuffix("/compressed").rpartition("/")[2] in LABEL_NAMES:
        rerun.log(topic, rerun.SegmentationImage(to_labels(message)))
    else:
        check(message)
        rerun.log(topic, rerun.Image(to_rgb(message)))


def _log_classes(namespace: str, classes: ClassTable) -> None:
    entries = zip(classes.names, classes.palette, strict=True)
    infos = [
        rerun.AnnotationInfo(id=label, label=name, color=color)
        for label, (name, color) in enumerate(entries)
    ]
    rerun.log(namespace, rerun.AnnotationContext(infos), static=True)
