"""What was measured at the moment of a frame, for figures in space."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.cloud.depth import depth_in_metres
from lmanet_ros.bags.message import BagMessage, header_stamp
from lmanet_ros.bags.reading import Bag
from lmanet_ros.bags.survey import BagFrame, Survey
from lmanet_ros.bags.topic_choice import deserialize
from lmanet_ros.messages.camera_info import camera_model
from lmanet_ros.messages.depth_image import to_depth
from lmanet_ros.messages.message_error import MessageError

SLOP = 50_000_000
"""Nanoseconds that the stamps of an image and of its depth may be apart."""
LATE = 1_000_000_000
"""Nanoseconds that a depth image may be recorded after its image."""
KEPT = 100


class Depths:
    """Depth images of a recording, for its frames in their order.

    Args:
        survey: survey of the recording, which has a depth topic.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._depths: dict[int, BagMessage] = {}
        self._infos: dict[int, CameraInfo] = {}
        self._read_until = float("-inf")
        self._messages = self._read()
        self.problems: dict[str, int] = {}
        """Why depth images could not be used, and of how many frames."""

    def of(self, frame: BagFrame, size: tuple[int, int]) -> tuple[CameraModel, np.ndarray] | None:
        """Camera and depth (H, W) float32 of a frame at a size, NaN for no measurement.

        None where nothing was measured at that moment, or where it cannot be used.
        """
        while self._read_until < frame.received + LATE and frame.stamp not in self._depths:
            if next(self._messages, None) is None:
                break
        near = [stamp for stamp in self._depths if abs(stamp - frame.stamp) <= SLOP]
        if not near or not self._infos:
            return None
        stamp = min(near, key=lambda stamp: abs(stamp - frame.stamp))
        newest = next(reversed(self._infos.values()))
        try:
            depth = to_depth(deserialize(self._depths[stamp], Image))
            camera = camera_model(self._infos.get(stamp, newest))
            if camera.size not in (depth.shape[::-1], size):
                raise MessageError("wrong camera_info size", "of another image")
        except MessageError as error:
            self.problems[str(error)] = self.problems.get(str(error), 0) + 1
            return None
        return camera.resized(size), depth_in_metres(depth, size)

    def _read(self) -> Iterator[BagMessage]:
        with Bag(self._survey.path) as bag:
            for message in bag.messages():
                if message.topic == self._survey.depth_topic:
                    _keep(self._depths, header_stamp(message.data), message)
                elif message.topic == self._survey.depth_info_topic:
                    info = deserialize(message, CameraInfo)
                    _keep(self._infos, header_stamp(message.data), info)
                else:
                    continue
                self._read_until = message.received
                yield message


def _keep(kept: dict, stamp: int, item: object) -> None:
    kept[stamp] = item
    if len(kept) > KEPT:
        del kept[next(iter(kept))]
