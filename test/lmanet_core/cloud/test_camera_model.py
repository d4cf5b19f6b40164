"""Pixels to rays and back, with the lenses that ROS describes."""

import cv2
import numpy as np
import pytest

from lmanet_core.cloud.camera_model import CameraModel

SIZE = (64, 48)
PLAIN = {"size": SIZE, "focal": (50.0, 52.0), "center": (31.0, 22.5)}
LENSES = {
    "none": {},
    "plumb_bob": {"distortion": (-0.2, 0.05, 0.001, -0.002, 0.0)},
    "rational": {"distortion": (0.4, -0.1, 0.001, 0.0, 0.02, 0.3, -0.05, 0.01)},
    "fisheye": {"distortion": (0.02, -0.01, 0.003, 0.0), "fisheye": True},
}


@pytest.mark.parametrize("lens", LENSES)
def test_what_a_pixel_sees_is_projected_onto_it(lens):
    camera = CameraModel(**PLAIN, **LENSES[lens])
    rays = camera.rays()
    x, y = np.broadcast_arrays(rays.x, rays.y)
    assert x.shape == SIZE[::-1]
    points = np.stack((x, y, np.ones_like(x)), 2).reshape(-1, 3) * 7.5
    columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    expected = np.stack((columns, rows), 2).reshape(-1, 2)
    np.testing.assert_allclose(camera.project(points), expected, atol=0.05)


def test_the_lens_is_that_of_opencv():
    camera = CameraModel(**PLAIN, **LENSES["rational"])
    points = np.random.default_rng(0).uniform((-1, -0.8, 2), (1, 0.8, 9), (50, 3))
    expected, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion)
    )
    np.testing.assert_allclose(camera.project(points), expected[:, 0], atol=1e-6)


def test_what_a_lens_cannot_show_is_nowhere_in_its_image():
    # Its polynomial turns back: a point far aside would come out in the middle.
    camera = CameraModel(**PLAIN, distortion=(-0.2, 0.0, 0.0, 0.0, 0.0))
    assert np.isnan(camera.project(np.array(((2.0, 0.0, 1.0),)))).all()


def test_pixels_that_no_direction_reaches_have_none():
    rays = CameraModel(**PLAIN, distortion=(-0.5, 0.0, 0.0, 0.0, 0.0)).rays()
    assert np.isnan(rays.x[0, 0])
    assert np.isfinite(rays.x[22, 31])


def test_a_resized_image_has_the_same_rays_at_its_borders():
    camera = CameraModel(**PLAIN)
    fine, coarse = camera.rays(), camera.rays((32, 24))
    # A coarse pixel's centre lies between the centres of two.
    np.testing.assert_allclose(coarse.x[0], (fine.x[0, ::2] + fine.x[0, 1::2]) / 2, rtol=1e-5)
    np.testing.assert_allclose(coarse.y[:, 0], (fine.y[::2, 0] + fine.y[1::2, 0]) / 2, atol=1e-6)
    assert camera.rays() is fine, "the same calibration is worked out once"


@pytest.mark.parametrize("bad", [{"focal": (0.0, 50.0)}, {"center": (float("nan"), 1.0)}])
def test_a_calibration_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="expected finite values and focal lengths"):
        CameraModel(**(PLAIN | bad))
