"""From a camera that is not there to points: the programs together, without hardware."""

import sys

import numpy as np
from cloud_harness import CloudClient, points_in, running_cloud_node
from ros_harness import REPORT_OFTEN, NodeProcess, resident_megabytes, wait_until
from test_video_publisher import started as started_publisher

from lmanet_core import CITYSCAPES
from lmanet_core.cloud.selection import GROUND_CLASSES

STREET = {"rate": 10.0, "width": 64, "height": 32, "depth": "true", "seed": 5}
GROUND = {CITYSCAPES.names.index(name) for name in GROUND_CLASSES if name in CITYSCAPES.names}
MEGABYTES = 5.0


def test_the_ground_of_the_street_lies_where_it_is():
    with (
        running_cloud_node("-r", "labels:=/ground_truth", use_confidence="false") as node,
        started_publisher(**STREET),
    ):
        client = CloudClient(outputs=("ground", "obstacles"), classes=None)
        try:
            client.wait_until(lambda: len(client.received["ground"]) > 5, "the ground")
            obstacles = client.received["obstacles"][-1]
        finally:
            client.close()
        assert "ERROR" not in node.output
    for message in client.received["ground"]:
        points = points_in(message)
        assert len(points) > 100
        assert set(points["label"]) <= GROUND
        # The camera is 1.5 m above it, and measures millimetres.
        np.testing.assert_allclose(points["y"], 1.5, atol=0.01)
        assert message.header.frame_id == "camera"
    assert not set(points_in(obstacles)["label"]) & GROUND


def test_both_nodes_share_a_process(checkpoint):
    command = [sys.executable, "-m", "lmanet_ros.segmentation_and_cloud", "--ros-args"]
    process = NodeProcess([*command, *REPORT_OFTEN, "-p", f"checkpoint:={checkpoint}"])
    client = CloudClient(outputs=("points",), classes=None)
    try:
        process.wait_for_output("segmenting /image")
        process.wait_for_output("the classes of /segmentation_node/labels")
        with started_publisher(**STREET):
            client.wait_until(lambda: client.received["points"], "points")
        (first, *_) = client.received["points"]
        assert (first.width, first.height) == (64, 32)
        assert "Traceback" not in process.output
    finally:
        client.close()
        process.end()


def test_two_cameras_are_served_for_long_without_growing(soak):
    """One process each; `make soak` has the long form."""
    count = max(30, soak["frames"] // 4)
    options = {"use_confidence": "false", "voxel_size": 0.2}
    labels = ("-r", "labels:=/ground_truth", "-r", "classes:=/classes", "-r", "depth:=/depth")
    with (
        running_cloud_node("-r", "__ns:=/front", *labels, **options) as front,
        running_cloud_node("-r", "__ns:=/rear", *labels, **options) as rear,
        started_publisher(**{**STREET, "rate": 30.0}),
    ):
        clients = [CloudClient(("points",), None, prefix=name) for name in ("/front", "/rear")]

        def wait_for(number: int) -> None:
            wait_until(
                lambda: all(len(client.received["points"]) >= number for client in clients),
                f"{number} clouds of each",
                lambda: [client.spin() for client in clients],
                deadline=60 + count / 5,
            )

        try:
            wait_for(count // 2)
            before = [resident_megabytes(node.pid) for node in (front, rear)]
            wait_for(count)
            after = [resident_megabytes(node.pid) for node in (front, rear)]
        finally:
            for client in clients:
                client.close()
    growth = np.subtract(after, before)
    print(f"{count} clouds of each of two cameras: {growth} MB")
    assert growth.max() < MEGABYTES
