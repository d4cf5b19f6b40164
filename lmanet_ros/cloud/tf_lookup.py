"""From frame to frame: by tf2 where it is installed, or as parameters say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.time import Time as RclpyTime

from lmanet_core.cloud.transform import Transform
from lmanet_ros.messages.message_error import MessageError

try:
    import tf2_ros
except ImportError:
    # Not everywhere where ROS' Python packages are.
    tf2_ros = None


class Transforms(Protocol):
    """Where transforms come from."""

    def find(self, target: str, source: str, stamp: Time) -> Transform:
        """The transform of points in the frame `source` to the frame `target`.

        Raises:
            MessageError: it is not known, of the kind 'no transform'.
        """

    def destroy(self) -> None:
        """Let go of all topics."""


class FixedTransform:
    """A transform that is the same for all frames.

    Args:
        values: translation x, y, z in metres and quaternion x, y, z, w.

    Raises:
        ValueError: these are none.
    """

    def __init__(self, values: Sequence[float]) -> None:
        self._transform = Transform.from_quaternion(values[:3], values[3:])

    def find(self, target: str, source: str, stamp: Time) -> Transform:
        return self._transform

    def destroy(self) -> None:
        pass


class TreeOfFrames:
    """What is said on /tf and /tf_static."""

    def __init__(self, node: Node) -> None:
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def find(self, target: str, source: str, stamp: Time) -> Transform:
        try:
            found: Any = self._buffer.lookup_transform(target, source, RclpyTime.from_msg(stamp))
        except tf2_ros.TransformException as error:
            raise _missing(
                target,
                source,
                f"{' '.join(str(error).split())} Publish it, if it does not change by "
                "`ros2 run tf2_ros static_transform_publisher`",
            ) from None
        move, turn = found.transform.translation, found.transform.rotation
        return Transform.from_quaternion((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))

    def destroy(self) -> None:
        self._listener.unregister()


class NoTransforms:
    """Nobody knows any.

    Args:
        parameter: that would say it.
    """

    def __init__(self, parameter: str) -> None:
        self._parameter = parameter

    def find(self, target: str, source: str, stamp: Time) -> Transform:
        raise _missing(
            target,
            source,
            f"tf2_ros is not installed: install it, or set the parameter '{self._parameter}'",
        )

    def destroy(self) -> None:
        pass


def open_transforms(node: Node, values: Sequence[float], parameter: str) -> Transforms:
    """Whatever there is to know of a transform.

    Args:
        node: that may listen to /tf.
        values: of `FixedTransform`; all zeros: none are given.
        parameter: their name.

    Raises:
        ValueError: the values are no transform.
    """
    if any(values):
        return FixedTransform(values)
    return TreeOfFrames(node) if tf2_ros else NoTransforms(parameter)


def _missing(target: str, source: str, reason: str) -> MessageError:
    return MessageError("no transform", f"from '{source}' to '{target}': {reason}")
