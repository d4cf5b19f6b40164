"""Whatever comes in: one line on the console and in /diagnostics, and the node lives."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from cloud_harness import (
    CAMERA,
    ROAD,
    SIZE,
    CloudClient,
    cloud_of,
    depth_of,
    labels_of,
    picture,
    running_cloud_node,
)
from diagnostic_msgs.msg import DiagnosticStatus
from ros_harness import NodeProcess

from lmanet_ros.messages.class_json import to_json

SHAPE = SIZE[::-1]
LABELS = np.full(SHAPE, ROAD, np.uint8)
DEPTH = np.full(SHAPE, 4.0, np.float32)
TURNED = "[0.0, 0.0, 0.0, 0.5, -0.5, 0.5, 0.5]"


def good(number: int) -> dict[str, Any]:
    return {"depth": depth_of(DEPTH, number), "labels": labels_of(LABELS, number)}


def of_another_frame(number: int) -> dict[str, Any]:
    return good(number) | {"depth": depth_of(DEPTH, number, "depth_camera")}


def colour_for_depth(number: int) -> dict[str, Any]:
    colours = np.zeros((*SHAPE, 3), np.uint8)
    return good(number) | {"depth": picture(colours, "rgb8", number)}


def depth_that_is_cut_off(number: int) -> dict[str, Any]:
    messages = good(number)
    messages["depth"].height += 1
    return messages


def labels_without_width(number: int) -> dict[str, Any]:
    messages = good(number)
    messages["labels"].width = 0
    return messages


def colour_for_labels(number: int) -> dict[str, Any]:
    colours = np.zeros((*SHAPE, 3), np.uint8)
    return good(number) | {"labels": picture(colours, "rgb8", number)}


def stamps_of_another_clock(number: int) -> dict[str, Any]:
    return good(number) | {"labels": labels_of(LABELS, 1000 + number)}


BAD = {
    "depth of another frame": (of_another_frame, "labels are of 'camera', depth", "align_depth"),
    "wrong depth encoding": (colour_for_depth, "expected 16UC1", "got 'rgb8'"),
    "wrong depth length": (depth_that_is_cut_off, "expected 13 rows", "got 768 bytes"),
    "no label encoding": (colour_for_labels, "expected mono8 or 8UC1, got 'rgb8'"),
    "zero size": (labels_without_width, "labels of 1x1 pixels or more, got 0x12"),
    "no labels and depth with stamps": (
        stamps_of_another_clock,
        "for 2 s: the newest labels are of 10",
        "1000.000 s apart",
        "raise 'slop'",
        "max_label_delay",
    ),
}


# First, while the other tests' node does not run yet: clients know nodes by their name.
def test_what_does_not_come_is_told_after_a_while_and_what_comes_then_is_used():
    with running_cloud_node(use_confidence="false", obstacle_classes="[car, lorry]") as node:
        client = CloudClient(outputs=("obstacles", "ground"), classes=None, calibrated=False)
        try:
            client.connect("depth")
            assert "without a calibration" in client.wait_for_problem(good, "no camera_info")
            client.calibrated = True
            assert "remap 'classes'" in client.wait_for_problem(good, "no classes")
            client.send_classes("{}")
            assert "expected a class table" in client.wait_for_problem(good, "/classes: ")
            client.send_classes(to_json(client.table))
            text = client.wait_for_problem(good, "no such classes ['lorry']")
            assert "expected some of ['road'" in text
            assert not client.received["ground"], "rather nothing than something else"
        finally:
            client.close()
        assert node.running
        assert node.output.count("no classes: ") == node.output.count("no camera_info: ") == 1


def test_a_cloud_without_places_is_told():
    options = {"range_source": "cloud", "use_confidence": "false", "cloud_to_camera": TURNED}
    xyz = np.array(((4.0, 0.5, 0.2),), np.float32)

    def nowhere(number: int) -> dict[str, Any]:
        cloud = cloud_of(xyz, number, names=("range", "azimuth", "height"))
        return {"cloud": cloud, "labels": labels_of(LABELS, number)}

    with running_cloud_node(**options):
        client = CloudClient(outputs=("points",))
        try:
            client.connect("cloud")
            client.wait_for_problem(nowhere, "cloud without x, y, z", "got intensity, range")
            frame = {"cloud": cloud_of(xyz, 99.0), "labels": labels_of(LABELS, 99.0)}
            assert client.ask(99.0, **frame)["points"].width == 1
        finally:
            client.close()


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with running_cloud_node(use_confidence="false") as process:
        yield process
        assert "Traceback" not in process.output


@pytest.fixture(scope="module")
def client(node) -> Iterator[CloudClient]:
    client = CloudClient(outputs=("points",))
    client.connect("depth")
    yield client
    client.close()


def recovers(client: CloudClient) -> None:
    """Whether the node answers good frames, and says that all is well."""
    answers = len(client.received["points"])
    client.keep_sending(
        lambda number: good(5000 + number),
        lambda: (
            len(client.received["points"]) > answers and client.status.level == DiagnosticStatus.OK
        ),
        "an answer, and diagnostics without a problem",
        period=0.1,
    )


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_is_told_once_with_the_remedy(node, client, kind):
    frame, *words = BAD[kind]
    lines = node.output.count(kind)
    message = client.wait_for_problem(frame, kind, *words)
    assert "\n" not in message
    node.wait_for_output(words[0])
    client.keep_sending(frame, lambda: client.reports % 9 == 0, "more of them", period=0.1)
    assert node.output.count(kind) == lines + 1
    recovers(client)


def test_a_calibration_that_does_not_fit_is_told(node, client):
    for camera, *words in (
        (CAMERA.resized((40, 30)), "wrong camera_info size", "40x30, depth is 16x12"),
        (None, "no calibration", "zeros for k"),
    ):

        def frame(number: int, camera=camera) -> Mapping[str, Any]:
            messages = good(100 + number)
            if camera:
                client.send_info(camera, messages["depth"])
            else:
                client.send_no_calibration(messages["depth"])
            return messages

        client.calibrated = False
        client.wait_for_problem(frame, *words)
        client.calibrated = True
        recovers(client)
    assert node.output.count("wrong camera_info size") == 1
