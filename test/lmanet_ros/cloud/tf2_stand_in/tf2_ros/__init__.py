"""As much of tf2_ros as the node uses, where ROS' own is not installed.

Transforms come as `geometry_msgs/TransformStamped` on /tf_stand_in, for tf2_msgs is not installed,
either. They are not chained, and hold for all times.
"""

from geometry_msgs.msg import TransformStamped


class TransformException(Exception):  # noqa: N818 (its name in tf2_ros)
    """A transform is not known."""


class Buffer:
    def __init__(self):
        self.transforms = {}

    def lookup_transform(self, target_frame, source_frame, time, timeout=None):
        try:
            return self.transforms[target_frame, source_frame]
        except KeyError:
            raise TransformException(
                f'"{target_frame}" passed to lookupTransform argument target_frame does not exist.'
            ) from None


class TransformListener:
    def __init__(self, buffer, node, **options):
        self._node = node
        self._buffer = buffer
        self._subscription = node.create_subscription(
            TransformStamped, "/tf_stand_in", self._on_transform, 10
        )

    def unregister(self):
        self._node.destroy_subscription(self._subscription)

    def _on_transform(self, message):
        self._buffer.transforms[message.header.frame_id, message.child_frame_id] = message
