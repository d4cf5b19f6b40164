"""The semantic cloud node as a robot meets it: labels and depth in, points out."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from cloud_harness import (
    CAMERA,
    CAR,
    NODE_NAME,
    ROAD,
    SIZE,
    CloudClient,
    cloud_of,
    depth_of,
    labels_of,
    picture,
    points_in,
    running_cloud_node,
)
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from ros_harness import NodeProcess, seconds
from sensor_msgs.msg import Image

from lmanet_core import CITYSCAPES
from lmanet_core.network.classes import IGNORE_LABEL

SHAPE = SIZE[::-1]
STAND_IN = __file__.rpartition("/")[0] + "/tf2_stand_in"
STATES = np.full(SHAPE, ROAD, np.uint8)
STATES[:, 8:] = CAR
DEPTH = np.full(SHAPE, 4.0, np.float32)
CERTAIN = np.full(SHAPE, 255, np.uint8)


def confidence_of(values: np.ndarray, stamp: float):
    return picture(values, "mono8", stamp)


def frame_of(stamp: float) -> dict[str, Image]:
    """All that the node takes."""
    return {
        "depth": depth_of(DEPTH, stamp),
        "labels": labels_of(STATES, stamp),
        "confidence": confidence_of(CERTAIN, stamp),
    }


# First, while the other tests' node does not run yet: clients know nodes by their name.
def test_a_lidars_points_are_labelled_by_a_transform_that_tf_brings():
    xyz = np.array(((4.0, 0.5, 0.2), (4.0, -0.5, 0.2), (-4.0, 0.5, 0.2)), np.float32)

    def frame(number: int) -> dict:
        return {"cloud": cloud_of(xyz, 1 + number), "labels": labels_of(STATES, 1 + number)}

    options = {"range_source": "cloud", "use_confidence": "false", "target_frame": "base"}
    with running_cloud_node(environment={"PYTHONPATH": STAND_IN}, **options) as process:
        client = CloudClient(outputs=("points", "obstacles"))
        try:
            client.connect("cloud")
            message = client.wait_for_problem(frame, "no transform: from 'lidar' to 'camera'")
            assert "static_transform_publisher" in message
            process.wait_for_output("no transform")
            transforms = client.node.create_publisher(TransformStamped, "/tf_stand_in", 10)
            client.wait_until(transforms.get_subscription_count, "a listener")
            transforms.publish(transform("camera", "lidar", (0.0,) * 3, (0.5, -0.5, 0.5, 0.5)))
            transforms.publish(transform("base", "lidar", (0.0, 0.0, 2.0), (0.0, 0.0, 0.0, 1.0)))
            client.keep_sending(
                frame,
                lambda: client.received["obstacles"] and client.status.level == DiagnosticStatus.OK,
                "obstacles",
            )
        finally:
            client.close()
        assert process.output.count("no transform") == 1
    cloud = client.received["points"][-1]
    points = points_in(cloud)
    # As they were measured; left is road, right is car, behind is nothing.
    np.testing.assert_allclose(points["y"], (0.5, -0.5))
    assert points["label"].tolist() == [ROAD, CAR]
    assert cloud.header.frame_id == "lidar"
    (car,) = points_in(client.received["obstacles"][-1])
    assert client.received["obstacles"][-1].header.frame_id == "base"
    assert (car["x"], car["y"], car["z"]) == pytest.approx((4.0, -0.5, 2.2))


def transform(target, source, translation, quaternion) -> TransformStamped:
    message = TransformStamped(child_frame_id=source)
    message.header.frame_id = target
    move, turn = message.transform.translation, message.transform.rotation
    move.x, move.y, move.z = translation
    turn.x, turn.y, turn.z, turn.w = quaternion
    return message


def test_without_tf_the_transform_is_a_parameter():
    xyz = np.array(((4.0, 0.5, 0.2),), np.float32)
    turned = "[0.0, 0.0, 0.0, 0.5, -0.5, 0.5, 0.5]"
    options = {"range_source": "cloud", "use_confidence": "false", "cloud_to_camera": turned}
    with running_cloud_node(**options):
        client = CloudClient(outputs=("ground",))
        try:
            client.connect("cloud")
            frame = {"cloud": cloud_of(xyz, 1.0), "labels": labels_of(STATES, 1.02)}
            (point,) = points_in(client.ask(1.0, **frame)["ground"])
        finally:
            client.close()
    assert point["label"] == ROAD


def test_a_transform_that_is_none_stops_the_start():
    with running_cloud_node(cloud_to_camera="[1.0, 2.0]") as process:
        assert process.wait() == 1
        assert "parameter 'cloud_to_camera': expected seven numbers" in process.output


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with running_cloud_node() as process:
        yield process
        assert "Traceback" not in process.output


@pytest.fixture
def client(node) -> Iterator[CloudClient]:
    client = CloudClient()
    client.connect("depth", "confidence")
    yield client
    client.close()


def set_parameters(client: CloudClient, **values: object) -> list[str]:
    """Reasons for which changes were refused; empty where one was not."""
    service = client.node.create_client(SetParameters, f"{NODE_NAME}/set_parameters")
    client.wait_until(service.service_is_ready, "the service")
    messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    future = service.call_async(SetParameters.Request(parameters=messages))
    client.wait_until(future.done, "an answer")
    return [result.reason for result in future.result().results]


def test_each_pixel_becomes_a_point_with_class_colour_and_confidence(client):
    depth, confidence = DEPTH.copy(), CERTAIN.copy()
    depth[0, 0], depth[0, 1], depth[0, 2] = 0, np.nan, np.inf
    confidence[3, 3] = 100
    answer = client.ask(
        1.25,
        depth=depth_of(depth, 1.25),
        labels=labels_of(STATES, 1.25),
        confidence=confidence_of(confidence, 1.25),
    )
    cloud = answer["points"]
    points = points_in(cloud)
    assert (cloud.width, cloud.height, cloud.is_dense) == (*SIZE, False)
    assert (cloud.header.frame_id, seconds(cloud.header.stamp)) == ("camera", 1.25)
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "rgb", "label", "confidence"]
    rays = CAMERA.rays()
    np.testing.assert_allclose(points["x"][1:], (rays.x * depth)[1:], rtol=1e-5)
    np.testing.assert_allclose(points["y"][1:], (rays.y * depth)[1:], rtol=1e-5)
    assert np.isnan(points["z"][0, :3]).all()
    assert np.isfinite(points["z"][0, 3:]).all()
    np.testing.assert_array_equal(points["label"], STATES)
    np.testing.assert_array_equal(points["confidence"], confidence)
    red, green, blue = CITYSCAPES.palette[CAR]
    assert points["rgb"][5, 12] == red << 16 | green << 8 | blue


def test_obstacles_and_ground_are_those_of_their_classes_in_range_and_certain(client):
    depth, confidence, labels = DEPTH.copy(), CERTAIN.copy(), STATES.copy()
    depth[0], depth[1], depth[2] = 0.1, 90, np.nan
    confidence[3] = 120
    labels[4] = IGNORE_LABEL
    answer = client.ask(
        2.0,
        depth=depth_of(depth, 2.0),
        labels=labels_of(labels, 2.0),
        confidence=confidence_of(confidence, 2.0),
    )
    for name, label in (("obstacles", CAR), ("ground", ROAD)):
        cloud = answer[name]
        points = points_in(cloud)
        assert (cloud.height, cloud.width, cloud.is_dense) == (1, 7 * 8, True)
        assert set(points["label"]) == {label}
        assert np.allclose(points["z"], 4.0)


def test_labels_that_come_late_find_the_depth_of_their_moment(client):
    depths = [depth_of(DEPTH + number, 10 + number / 10) for number in range(5)]
    # The third one, 20 ms off.
    late = {"labels": labels_of(STATES, 10.22), "confidence": confidence_of(CERTAIN, 10.22)}
    points = client.ask(10.2, depth=depths, **late)["points"]
    assert np.allclose(points_in(points)["z"], 6.0)


def test_depth_in_millimetres_of_another_size_is_taken(client):
    big = np.kron(np.uint16(1000 * DEPTH), np.ones((2, 2), np.uint16))
    client.send_info(CAMERA.resized((32, 24)), message := picture(big, "16UC1", 20.0))
    client.calibrated = False
    points = points_in(
        client.ask(
            20.0,
            depth=message,
            labels=labels_of(STATES, 20.0),
            confidence=confidence_of(CERTAIN, 20.0),
        )["points"]
    )
    assert points.shape == SHAPE
    np.testing.assert_allclose(points["x"], CAMERA.rays().x * DEPTH, atol=1e-5)


def test_voxels_thin_all_clouds_and_parameters_change_at_runtime(client):
    assert set_parameters(client, voxel_size=0.5) == [""]
    answer = client.ask(30.0, **frame_of(30.0))
    assert answer["points"].height == 1
    assert 10 < answer["points"].width < 60
    assert answer["obstacles"].width + answer["ground"].width == answer["points"].width
    assert set_parameters(client, voxel_size=0.0, obstacle_classes=["road", "car"]) == ["", ""]
    assert client.ask(31.0, **frame_of(31.0))["obstacles"].width == 16 * 12
    assert set_parameters(client, obstacle_classes=["auto"]) == [""]


def test_what_makes_no_sense_is_refused_and_unknown_classes_with_the_list(client):
    (reason,) = set_parameters(client, obstacle_classes=["lorry"])
    assert "parameter 'obstacle_classes': no such classes ['lorry']" in reason
    assert "'road'" in reason
    assert "'min_range'" in set_parameters(client, max_range=0.1)[0]
    assert "at least 0.01 m" in set_parameters(client, voxel_size=0.001)[0]
    assert "while the node is unconfigured" in set_parameters(client, range_source="cloud")[0]


def test_what_nobody_subscribes_to_is_not_made(client):
    for name in ("points", "ground"):
        client.unsubscribe(name)
    stamps = count(40)

    def made_of_a_frame() -> set[str]:
        before, stamp = client.values(), float(next(stamps))
        client.ask(stamp, **frame_of(stamp))
        after = client.values()
        names = ("points", "obstacles", "ground")
        counts = [(f"{name}_published", name) for name in names]
        return {name for key, name in counts if after.get(key, 0) != before.get(key, 0)}

    # The node hears of it a moment later.
    client.wait_until(lambda: made_of_a_frame() == {"obstacles"}, "obstacles alone to be made")
