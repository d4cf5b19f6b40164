"""What the label values mean, for whoever joins at any time."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Header, String

from lmanet_core import ClassTable
from lmanet_core.network.classes import IGNORE_LABEL
from lmanet_ros.messages.class_json import UNLABELED, to_json

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:
    # Not everywhere where ROS is; the JSON is.
    LabelInfo = None

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class ClassTopics:
    """Publishes the class table as JSON on `~/classes` and, with vision_msgs, on `~/label_info`.

    Both are latched: a subscriber that asks for transient local gets the last message.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._json = node.create_publisher(String, "~/classes", LATCHED)
        self._label_info: Publisher | None = LabelInfo and node.create_publisher(
            LabelInfo, "~/label_info", LATCHED
        )

    def publish(self, classes: ClassTable, min_confidence: float) -> None:
        """Publish a table in place of the one before.

        Args:
            classes: the table.
            min_confidence: 0..1, below which pixels are unlabeled; 0: none is.
        """
        self._json.publish(String(data=to_json(classes)))
        if self._label_info:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            class_map = [
                VisionClass(class_id=label, class_name=name)
                for label, name in enumerate(classes.names)
            ]
            if min_confidence > 0:
                class_map.append(VisionClass(class_id=IGNORE_LABEL, class_name=UNLABELED))
            self._label_info.publish(
                LabelInfo(header=header, class_map=class_map, threshold=min_confidence)
            )

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in filter(None, (self._json, self._label_info)):
            self._node.destroy_publisher(publisher)
