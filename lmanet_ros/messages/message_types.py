"""Types of messages by the names that the middleware and recordings have for them."""

from __future__ import annotations


def type_name(message_type: type) -> str:
    """Name of a type of message: 'sensor_msgs/msg/Image'."""
    package, kind = message_type.__module__.split(".")[:2]
    return f"{package}/{kind}/{message_type.__name__}"
