"""The topics that the node listens to, and what belongs together of what comes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeAlias

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, String

from lmanet_ros.cloud.cloud_parameters import CLOUD, CloudParameters
from lmanet_ros.cloud.matching import StampMatcher
from lmanet_ros.cloud.projection import Labelled
from lmanet_ros.node.arrival.subscription import AutoQosSubscription
from lmanet_ros.node.arrival.topic_names import sibling_topic

NANOSECONDS = 1_000_000_000
CONFIDENCE_PATIENCE = 0.5
"""Seconds that labels wait for their confidence: both are published one after the other."""
KEPT_INFOS = 100
UNMATCHED = ("unmatched_labels", "unmatched_ranges")

Range: TypeAlias = Any
"""Image, of depth, or PointCloud2."""


class Inputs:
    """Listens while it is open, and hands on labels with the depth or cloud of the same moment.

    Args:
        node: the node that subscribes.
        parameters: parameters of the node.
        on_frame: takes labels, depth or cloud, and the camera's calibration of that moment, if it
            is known.
        on_classes: takes the text of a class table.
        on_uncertain: called for labels whose confidence is needed and has not come.
        count: takes names of what happened.
    """

    def __init__(
        self,
        node: Node,
        parameters: CloudParameters,
        on_frame: Callable[[Labelled, Range, CameraInfo | None], None],
        on_classes: Callable[[str], None],
        on_uncertain: Callable[[], None],
        count: Callable[..., None],
    ) -> None:
        self._node = node
        self._on_frame = on_frame
        self._on_uncertain = on_uncertain
        self._count = count
        self._is_cloud = parameters.range_source == CLOUD
        self._infos: OrderedDict[int, CameraInfo] = OrderedDict()
        self._infos_match = True
        self._held: tuple[int, Labelled, Range] | None = None
        self._confident = StampMatcher[Labelled, Image](
            0, CONFIDENCE_PATIENCE, self._on_no_confidence
        )
        self._pairs = StampMatcher[Labelled, Range](0, 0.0, lambda side, _: count(UNMATCHED[side]))
        self._last_pair = self.opened = 0.0
        self.last_range = 0.0
        """`perf_counter` when depth or cloud came, or when it was begun to listen."""
        self.apply(parameters)
        name = parameters.range_source
        kind = PointCloud2 if self._is_cloud else Image
        self.labels = AutoQosSubscription(node, Image, "labels", self._on_labels, self._on_lost)
        self.ranges = AutoQosSubscription(node, kind, name, self._on_range, self._on_lost)
        beside = "labels" if self._is_cloud else name
        self.infos = AutoQosSubscription(
            node, CameraInfo, sibling_topic(node, beside, "camera_info"), self._on_info
        )
        self.classes = AutoQosSubscription(
            node,
            String,
            sibling_topic(node, "labels", "classes"),
            lambda message: on_classes(message.data),
        )
        self.confidence = AutoQosSubscription(
            node, Image, sibling_topic(node, "labels", "confidence"), self._on_confidence
        )
        self._subscriptions = [self.labels, self.ranges, self.infos, self.classes]
        if parameters.use_confidence:
            self._subscriptions.append(self.confidence)

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self.labels.is_open

    @property
    def range_name(self) -> str:
        """What measures distances, in a word."""
        return CLOUD if self._is_cloud else "depth"

    def apply(self, parameters: CloudParameters) -> None:
        """Take over the parameters that may change at any time."""
        self._pairs.slop = round(parameters.slop * NANOSECONDS)
        self._pairs.patience = parameters.max_label_delay
        self._needs_confidence = parameters.min_confidence > 0

    def open(self) -> None:
        """Begin to listen.

        Raises:
            ParameterError: an override of the quality of service has no sense.
        """
        self.opened = self.last_range = self._last_pair = perf_counter()
        for subscription in self._subscriptions:
            subscription.open()

    def look(self) -> None:
        """Fit the publishers, and let go of what has waited too long; do this now and then."""
        for subscription in self._subscriptions:
            subscription.look()
        self._hand_on_held()
        now = perf_counter()
        self._confident.expire(now)
        self._pairs.expire(now)

    def close(self) -> None:
        """Listen no more, and forget what waits."""
        for subscription in self._subscriptions:
            subscription.close()
        self._infos.clear()
        self._held = None
        self._confident.clear()
        self._pairs.clear()

    def destroy(self) -> None:
        """Give up everything."""
        self.close()
        for subscription in (*self._subscriptions, self.confidence):
            subscription.destroy()

    def stamps_apart(self, now: float, timeout: float) -> tuple[float, float] | None:
        """Newest stamps, in seconds, of labels and of depth or cloud, if both come and no pair of
        them has met for `timeout` seconds."""
        labels, ranges = self._pairs.newest
        if labels is None or ranges is None or now < self._last_pair + timeout:
            return None
        return labels / NANOSECONDS, ranges / NANOSECONDS

    def _on_labels(self, message: Image) -> None:
        now = perf_counter()
        self._count("received_labels")
        labelled = Labelled(message, None, now)
        if self.confidence.is_open and self.confidence.publishers():
            pair = self._confident.add_first(_stamp(message.header), labelled, now)
            if pair:
                self._take(Labelled(message, pair[1], now))
        else:
            self._take(labelled)

    def _on_confidence(self, message: Image) -> None:
        now = perf_counter()
        pair = self._confident.add_second(_stamp(message.header), message, now)
        if pair:
            self._take(Labelled(pair[0].labels, message, pair[0].arrival))

    def _on_no_confidence(self, side: int, message: Any) -> None:
        if side == 1:
            return
        self._count("without_confidence")
        if self._needs_confidence:
            self._on_uncertain()
        else:
            self._take(message)

    def _take(self, labelled: Labelled) -> None:
        stamp = _stamp(labelled.labels.header)
        self._hand_on(self._pairs.add_first(stamp, labelled, perf_counter()))

    def _on_range(self, message: Range) -> None:
        self.last_range = perf_counter()
        self._count("received_ranges")
        stamp = _stamp(message.header)
        self._hand_on(self._pairs.add_second(stamp, message, self.last_range))

    def _hand_on(self, pair: tuple[Labelled, Range] | None) -> None:
        if pair is None:
            return
        self._last_pair = perf_counter()
        self._hand_on_held()
        labelled, range_ = pair
        of = labelled.labels.header if self._is_cloud else range_.header
        self._held = (_stamp(of), labelled, range_)
        if _stamp(of) in self._infos or not self._infos_match:
            self._hand_on_held()

    def _hand_on_held(self) -> None:
        """Hand on what may have waited for its calibration, with that or with the newest."""
        if self._held is None:
            return
        stamp, labelled, range_ = self._held
        self._held = None
        # A camera that zooms or turns its image has one for each frame; others need not.
        self._infos_match = stamp in self._infos
        newest = next(reversed(self._infos.values()), None)
        self._on_frame(labelled, range_, self._infos.get(stamp, newest))

    def _on_info(self, message: CameraInfo) -> None:
        stamp = _stamp(message.header)
        self._infos[stamp] = message
        self._infos.move_to_end(stamp)
        if len(self._infos) > KEPT_INFOS:
            self._infos.popitem(last=False)
        if self._held and self._held[0] == stamp:
            self._hand_on_held()

    def _on_lost(self, times: int) -> None:
        self._count("lost", times=times)


def _stamp(header: Header) -> int:
    return int(header.stamp.sec * NANOSECONDS + header.stamp.nanosec)
