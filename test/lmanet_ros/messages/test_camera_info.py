"""Calibration that fits the picture."""

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from lmanet_ros.messages.camera_info import scaled

INFO = CameraInfo(width=640, height=480, distortion_model="plumb_bob", d=[0.1, 0, 0, 0, 0])
INFO.k = [500.0, 0, 319.5, 0, 510.0, 239.5, 0, 0, 1]
INFO.p = [500.0, 0, 319.5, -60.0, 0, 510.0, 239.5, 0, 0, 0, 1, 0]
INFO.roi.width, INFO.roi.x_offset = 320, 80
INFO.roi.height, INFO.roi.y_offset = 240, 40


def test_at_the_same_size_only_the_header_is_the_pictures():
    header = Header(frame_id="picture")
    same = scaled(INFO, header, (640, 480), (640, 480))
    assert same.header == header
    same.header = INFO.header
    assert same == INFO


def test_points_are_projected_to_the_same_place_of_a_resized_picture():
    result = scaled(INFO, Header(), (640, 480), (320, 120))
    assert (result.width, result.height) == (320, 120)
    assert (result.roi.x_offset, result.roi.width) == (40, 160)
    assert (result.roi.y_offset, result.roi.height) == (10, 60)
    assert list(result.d) == list(INFO.d)
    point = np.array([0.4, -0.3, 2.0, 1.0])
    for before, after, columns in ((INFO.k, result.k, 3), (INFO.p, result.p, 4)):
        x, y, z = np.reshape(before, (3, columns)) @ point[:columns]
        new_x, new_y, new_z = np.reshape(after, (3, columns)) @ point[:columns]
        # Pixels are squares around whole coordinates: the corner of the first is at -0.5.
        assert np.isclose(new_x / new_z + 0.5, (x / z + 0.5) / 2)
        assert np.isclose(new_y / new_z + 0.5, (y / z + 0.5) / 4)
    assert (INFO.width, INFO.k[0], INFO.roi.width) == (640, 500.0, 320), (
        "the camera's own must stay as it is"
    )
