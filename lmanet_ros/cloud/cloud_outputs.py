"""What the node publishes for a frame, made only for those who listen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from lmanet_core.cloud.points import coordinates, take
from lmanet_core.cloud.selection import Selection
from lmanet_core.cloud.transform import Transform
from lmanet_ros.cloud.projection import Points
from lmanet_ros.messages.point_cloud import from_points
from lmanet_ros.node.publishing.publisher import create_publisher

POINTS = "points"
SELECTED = ("obstacles", "ground")
QOS_DEPTH = 2
"""Clouds are large, and an old one is worth nothing."""


class CloudOutputs:
    """Publishers of `points`, `obstacles` and `ground`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publishers: dict[str, Publisher] = {}
        try:
            for name in (POINTS, *SELECTED):
                self._publishers[name] = create_publisher(node, PointCloud2, f"~/{name}", QOS_DEPTH)
        except BaseException:
            self.destroy()
            raise

    def wanted(self) -> frozenset[str]:
        """Names of the outputs that somebody subscribes to."""
        return frozenset(
            name
            for name, publisher in self._publishers.items()
            if publisher.get_subscription_count() > 0
        )

    def publish_points(self, points: Points) -> None:
        """Publish all points."""
        message = (
            points.organized.message(points.header)
            if points.organized
            else from_points(points.points, points.header)
        )
        self._publishers[POINTS].publish(message)

    def publish_selected(
        self,
        wanted: Collection[str],
        points: Points,
        selections: Mapping[str, Selection],
        target_frame: str,
        find_transform: Callable[[str, str, Header], Transform],
    ) -> list[str]:
        """Publish what is wanted of obstacles and ground.

        Args:
            wanted: some of `wanted()`.
            points: of which these are some.
            selections: which of them, by the name of the output.
            target_frame: in which they are to be; empty: where they are.
            find_transform: takes target, source and header.

        Returns:
            Names of what was published.

        Raises:
            MessageError: the transform to the target is not known.
        """
        names = [name for name in SELECTED if name in wanted and name in selections]
        header = points.header
        move = None
        if names and target_frame and target_frame != header.frame_id:
            move = find_transform(target_frame, header.frame_id, header)
            header = Header(stamp=header.stamp, frame_id=target_frame)
        for name in names:
            chosen = selections[name].indices(points.labels, points.confidence, points.distance)
            selected = take(points.points, chosen)
            if move is not None:
                places = coordinates(selected)
                places[:] = move(places)
            self._publishers[name].publish(from_points(selected, header))
        return names

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
