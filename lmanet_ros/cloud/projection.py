"""Labels and what was measured with them, as points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from lmanet_core import ClassTable
from lmanet_core.cloud.camera_model import CameraModel
from lmanet_core.cloud.depth import depth_in_metres, organized_points
from lmanet_core.cloud.lidar import seen_points
from lmanet_core.cloud.points import coordinates, packed_colors
from lmanet_core.cloud.transform import Transform
from lmanet_core.cloud.voxels import thin
from lmanet_ros.messages.camera_info import camera_model
from lmanet_ros.messages.depth_image import to_depth
from lmanet_ros.messages.image_conversion import to_labels
from lmanet_ros.messages.message_error import MessageError
from lmanet_ros.messages.point_cloud import OrganizedCloud, check_cloud, to_xyz


@dataclass(frozen=True)
class Labelled:
    """Labels and, if there is one, the confidence of the same image."""

    labels: Image
    confidence: Image | None
    arrival: float
    """`perf_counter` when the labels were received."""


@dataclass(frozen=True)
class Measured:
    """What a frame's points are made of, checked."""

    labels: np.ndarray
    """(H, W) uint8."""
    confidence: np.ndarray | None
    """(H, W) uint8."""
    camera: CameraModel
    header: Header
    """Header of the points."""
    range_: Image | PointCloud2
    to_camera: Transform | None
    """Transform from a lidar to the camera; None for depth."""


@dataclass(frozen=True)
class Points:
    """Points, and what selects them."""

    header: Header
    points: np.ndarray
    """(N,) of `lmanet_core.cloud.points.POINT`."""
    labels: np.ndarray
    """(N,) uint8."""
    confidence: np.ndarray | None
    """(N,) uint8; None: all are certain."""
    distance: np.ndarray
    """(N,) float32, from the sensor, in metres; NaN for no point."""
    organized: OrganizedCloud | None
    """The points as a message with one for each pixel, if there is one for each."""


def check(
    labelled: Labelled,
    range_: Image | PointCloud2,
    info: CameraInfo | None,
    rectified: bool,
    find_transform: Callable[[str, str, Header], Transform],
) -> Measured:
    """See whether messages fit each other; their pixels and points are not looked at.

    Args:
        labelled: labels.
        range_: depth image or cloud.
        info: the camera's calibration.
        rectified: whether the images are rectified.
        find_transform: from a cloud's frame to the camera's: takes target, source and header.

    Raises:
        MessageError: they do not.
    """
    labels = to_labels(labelled.labels)
    if labels.size == 0:
        raise MessageError(
            "zero size", f"expected labels of 1x1 pixels or more, got {_size(labels)}"
        )
    confidence = None if labelled.confidence is None else to_labels(labelled.confidence)
    if confidence is not None and confidence.shape != labels.shape:
        raise MessageError(
            "wrong confidence size",
            f"labels are {_size(labels)}, their confidence is {_size(confidence)}: are both of "
            "the same node?",
        )
    if info is None:
        raise MessageError(
            "no camera_info", "without a calibration pixels have no direction; publish it"
        )
    camera = camera_model(info, rectified)
    if isinstance(range_, PointCloud2):
        check_cloud(range_)
        frames = labelled.labels.header.frame_id, range_.header.frame_id
        to_camera = find_transform(*frames, range_.header)
        return Measured(labels, confidence, camera, range_.header, range_, to_camera)
    depth = to_depth(range_)
    _check_frames(labelled.labels.header.frame_id, range_.header.frame_id)
    sizes = (depth.shape[::-1], labels.shape[::-1])
    if camera.size not in sizes:
        raise MessageError(
            "wrong camera_info size",
            f"camera_info is of an image of {camera.size[0]}x{camera.size[1]}, depth is "
            f"{_size(depth)}, labels are {_size(labels)}; expected the calibration of depth",
        )
    return Measured(labels, confidence, camera, range_.header, range_, None)


class Projection:
    """Makes points; keeps the memory of the largest message for the next one."""

    def __init__(self) -> None:
        self._organized: OrganizedCloud | None = None
        self._colors: tuple[ClassTable, np.ndarray] | None = None

    def points(self, measured: Measured, classes: ClassTable, voxel_size: float) -> Points:
        """The points of a frame.

        Args:
            measured: of `check`.
            classes: classes of the labels.
            voxel_size: in metres; 0: all points.

        Raises:
            MessageError: there is no such cloud in the message.
        """
        # Whatever is in a message that claims to be points or a calibration.
        with np.errstate(all="ignore"):
            return self._points(measured, self._colors_of(classes), voxel_size)

    def _points(self, measured: Measured, colors: np.ndarray, voxel_size: float) -> Points:
        if measured.to_camera is None:
            made = self._of_depth(measured, colors)
        else:
            points = seen_points(
                to_xyz(measured.range_),
                measured.to_camera,
                measured.camera,
                measured.labels,
                measured.confidence,
                colors,
            )
            made = _unorganized(measured.header, points)
        return _unorganized(made.header, thin(made.points, voxel_size)) if voxel_size else made

    def _of_depth(self, measured: Measured, colors: np.ndarray) -> Points:
        labels, confidence = measured.labels, measured.confidence
        size = labels.shape[::-1]
        if self._organized is None or self._organized.size != size:
            self._organized = OrganizedCloud(size)
        points = self._organized.points
        rays = measured.camera.rays(size)
        depth = depth_in_metres(to_depth(measured.range_), size)
        labels = np.ascontiguousarray(labels)
        organized_points(points, rays, depth, labels, confidence, colors)
        return Points(
            header=measured.header,
            points=points.reshape(-1),
            labels=labels.reshape(-1),
            confidence=None if confidence is None else np.ascontiguousarray(confidence).reshape(-1),
            distance=(depth * rays.length).reshape(-1),
            organized=self._organized,
        )

    def _colors_of(self, classes: ClassTable) -> np.ndarray:
        if self._colors is None or self._colors[0] != classes:
            self._colors = (classes, packed_colors(classes))
        return self._colors[1]


def _unorganized(header: Header, points: np.ndarray) -> Points:
    return Points(
        header=header,
        points=points,
        labels=points["label"].copy(),
        confidence=points["confidence"].copy(),
        distance=np.sqrt(np.einsum("ij,ij->i", coordinates(points), coordinates(points))),
        organized=None,
    )


def _check_frames(of_labels: str, of_depth: str) -> None:
    # Nobody says what an empty one means.
    if of_labels and of_depth and of_labels.lstrip("/") != of_depth.lstrip("/"):
        raise MessageError(
            "depth of another frame",
            f"labels are of '{of_labels}', depth is of '{of_depth}': register depth to the image "
            "that is segmented (RealSense: align_depth.enable, else "
            "depth_image_proc::RegisterNode)",
        )


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
