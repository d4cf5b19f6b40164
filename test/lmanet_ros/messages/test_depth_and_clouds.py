"""Depth images, clouds and calibrations as drivers write them."""

from array import array

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from lmanet_core.cloud.points import POINT
from lmanet_ros.messages.camera_info import camera_info, camera_model
from lmanet_ros.messages.depth_image import from_depth, to_depth
from lmanet_ros.messages.message_error import MessageError
from lmanet_ros.messages.point_cloud import OrganizedCloud, from_points, to_xyz


def test_depth_with_padding_and_foreign_byte_order_is_read():
    values = np.array(((1, 2, 300), (4, 5, 60000)), np.uint16)
    rows = np.zeros((2, 10), np.uint8)
    rows[:, :6] = values.astype(">u2").view(np.uint8).reshape(2, 6)
    message = Image(encoding="16UC1", width=3, height=2, step=10, is_bigendian=True)
    message.data = array("B", rows.tobytes())
    np.testing.assert_array_equal(to_depth(message), values)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_is_written_as_it_is_read(encoding):
    depth = np.array(((0, 1.234, 70.0),), np.float32)
    read = to_depth(from_depth(depth, Header(), encoding))
    expected = [0, 1234, 0] if encoding == "16UC1" else depth[0]
    np.testing.assert_array_equal(read[0], np.asarray(expected, read.dtype))


def cloud(kind: int, form: str, big: bool, padding: int = 0) -> PointCloud2:
    """Two rows of two points with x, y, z behind four other bytes."""
    point = np.dtype({"names": "xyz", "formats": [form] * 3, "offsets": [4, 12, 20]} | SIZE)
    points = np.zeros((2, 2), point)
    for number, name in enumerate("xyz"):
        points[name] = [[number, 10 + number], [20 + number, 30 + number]]
    rows = np.pad(points.view(np.uint8).reshape(2, -1), ((0, 0), (0, padding)))
    message = PointCloud2(height=2, width=2, point_step=32, row_step=rows.shape[1])
    message.is_bigendian = big
    message.fields = [
        PointField(name=name, offset=offset, datatype=kind, count=1)
        for name, offset in zip("xyz", (4, 12, 20), strict=True)
    ]
    message.data = array("B", rows.tobytes())
    return message


SIZE = {"itemsize": 32}


@pytest.mark.parametrize(
    "message",
    [
        cloud(PointField.FLOAT32, "<f4", False),
        cloud(PointField.FLOAT64, "<f8", False, padding=7),
        cloud(PointField.FLOAT32, ">f4", True),
    ],
    ids=["float", "double in padded rows", "big endian"],
)
def test_places_are_read_whatever_lies_around_them(message):
    expected = [(0, 1, 2), (10, 11, 12), (20, 21, 22), (30, 31, 32)]
    np.testing.assert_array_equal(to_xyz(message), expected)


def test_a_cloud_that_is_cut_off_is_refused():
    message = cloud(PointField.FLOAT32, "<f4", False)
    message.data = message.data[:-1]
    with pytest.raises(MessageError, match="wrong cloud length"):
        to_xyz(message)
    assert len(to_xyz(from_points(np.empty(0, POINT), Header()))) == 0


def test_the_memory_of_an_organized_cloud_is_used_again():
    organized = OrganizedCloud((4, 2))
    organized.points["x"] = 7
    first = organized.message(Header(frame_id="a"))
    organized.points["x"] = 8
    second = organized.message(Header(frame_id="b"))
    assert first.data is second.data
    assert (first.header.frame_id, second.header.frame_id) == ("a", "b")
    assert (to_xyz(second)[:, 0] == 8).all()


def calibrated(**fields: object) -> CameraInfo:
    info = CameraInfo(width=640, height=480, distortion_model="plumb_bob", **fields)
    info.k = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    info.p = [400.0, 0.0, 310.0, 0.0, 0.0, 400.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def test_raw_and_rectified_images_have_calibrations_of_their_own():
    info = calibrated(d=[0.1, 0.0, 0.0, 0.0, 0.0])
    assert camera_model(info).distortion == (0.1, 0, 0, 0, 0)
    rectified = camera_model(info, rectified=True)
    assert (rectified.focal, rectified.center) == ((400, 400), (310, 230))
    assert not rectified.is_distorted
    assert camera_model(camera_info(rectified, Header())).center == (310, 230)


def test_binning_and_region_of_interest_count():
    info = calibrated(binning_x=2, binning_y=2)
    info.roi.x_offset, info.roi.width, info.roi.y_offset, info.roi.height = 20, 600, 40, 400
    model = camera_model(info)
    assert model.size == (300, 200)
    assert (model.focal, model.center) == ((250, 255), (150, 100))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"d": [0.1] * 3}, "unknown lens: expected 0 or 4 or 5 or 8"),
        ({"d": [0.1] * 4, "model": "omni"}, "got 'omni'"),
        ({"d": [0.1] * 5, "model": "equidistant"}, "expected 4 coefficients"),
    ],
)
def test_lenses_that_nobody_knows_are_refused(fields, text):
    info = calibrated(d=fields["d"])
    info.distortion_model = fields.get("model", "plumb_bob")
    with pytest.raises(MessageError, match=text):
        camera_model(info)
