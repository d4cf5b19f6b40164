"""Operating the running node: parameters, calibration, class table, diagnostics."""

import hashlib
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_harness import (
    LATCHED,
    OUTPUTS,
    Client,
    connected,
    image_message,
    pixels,
    running_node,
    street,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lmanet_core import load
from lmanet_core.output.pictures import blend


@pytest.fixture(scope="module")
def active(checkpoint) -> Iterator[Client]:
    # A name that a remapping leads to and another one leads away from is nothing to resolve again.
    remappings = ("-r", "image:=/image_rect", "-r", "/image_rect:=/image_old")
    with (
        running_node(checkpoint, "-p", "output_size:=[32, 32]", *remappings) as process,
        connected(process, *OUTPUTS, topic="/image_rect") as client,
    ):
        assert "segmenting /image_rect (with /camera_info)" in process.output
        yield client


def test_outputs_have_the_size_and_calibration_asked_for(active):
    infos: list[CameraInfo] = []
    topic = f"{active.node_name}/camera_info"
    subscription = active.node.create_subscription(CameraInfo, topic, infos.append, 10)
    publisher = active.node.create_publisher(CameraInfo, "camera_info", 10)
    active.wait_until(publisher.get_subscription_count, "the node to listen to camera_info")
    message = image_message(street())
    while not infos:
        # The calibration and the image come on different topics, in any order.
        publisher.publish(CameraInfo(width=64, height=32, k=[50.0, 0, 31.5, 0, 50, 15.5, 0, 0, 1]))
        answer = active.ask(message)
    assert {(output.width, output.height) for output in answer.values()} == {(32, 32)}
    assert infos[0].header == message.header
    np.testing.assert_allclose(infos[0].k, [25, 0, 15.5, 0, 50, 15.5, 0, 0, 1])
    active.node.destroy_subscription(subscription)
    active.node.destroy_publisher(publisher)


def test_colours_and_opacity_change_while_the_node_runs(active, checkpoint):
    own = load(checkpoint).config.classes
    assert active.class_table() == own
    label = int(pixels(active.ask(image_message(street()))["labels"])[0, 0])
    name = own.names[label]
    results = active.set_parameters(palette=f"{name}=#010203", overlay_opacity=1.0)
    assert all(result.successful for result in results)
    expected = own.recolored({name: (1, 2, 3)})
    assert active.class_table() == expected
    answer = active.ask(image_message(street()))
    color = expected.colorize(pixels(answer["labels"]))
    np.testing.assert_array_equal(pixels(answer["color"]), color)
    image = np.zeros_like(color)
    np.testing.assert_array_equal(pixels(answer["overlay"]), blend(image, color, 1.0))
    active.set_parameters(palette="", overlay_opacity=0.5)


def test_uncertain_pixels_become_unlabeled(active):
    certain = pixels(active.ask(image_message(street()))["labels"])
    assert 255 not in certain
    active.set_parameters(min_confidence=0.9)
    answer = active.ask(image_message(street()))
    labels, uncertain = pixels(answer["labels"]), pixels(answer["confidence"]) < 255 * 0.9
    assert uncertain.any()
    np.testing.assert_array_equal(labels == 255, uncertain)
    assert not pixels(answer["color"])[uncertain].any()
    active.set_parameters(min_confidence=0.0)


def test_label_info_names_the_classes_and_what_is_unlabeled(active, checkpoint):
    messages = pytest.importorskip(
        "vision_msgs.msg", reason="vision_msgs comes with a ROS installation only"
    )
    received: list = []
    topic = f"{active.node_name}/label_info"
    subscription = active.node.create_subscription(
        messages.LabelInfo, topic, received.append, LATCHED
    )
    active.wait_until(lambda: received, "the classes")
    names = [entry.class_name for entry in received[-1].class_map]
    assert (names, received[-1].threshold) == (list(load(checkpoint).config.classes.names), 0)
    active.set_parameters(min_confidence=0.5)
    active.wait_until(lambda: received[-1].threshold == 0.5, "the threshold")
    unlabeled = messages.VisionClass(class_id=255, class_name="unlabeled")
    assert received[-1].class_map[len(names) :] == [unlabeled]
    active.set_parameters(min_confidence=0.0)
    active.node.destroy_subscription(subscription)


def test_pictures_are_there_compressed(active):
    received: dict[str, list[CompressedImage]] = {"color": [], "overlay": []}
    subscriptions = [
        active.node.create_subscription(
            CompressedImage, f"{active.node_name}/{name}/compressed", messages.append, 10
        )
        for name, messages in received.items()
    ]
    sizes = []
    for quality in (95, 5):
        active.set_parameters(jpeg_quality=quality)
        while not all(received.values()):
            active.ask(image_message(street()))
        answer = active.ask(image_message(street(), stamp=1 + quality / 1000))
        header = answer["color"].header
        active.wait_until(
            lambda header=header: all(m[-1].header == header for m in received.values()),
            "the compressed pictures",
        )
        pictures = {
            name: cv2.imdecode(np.frombuffer(messages[-1].data, np.uint8), cv2.IMREAD_COLOR)[
                :, :, ::-1
            ]
            for name, messages in received.items()
        }
        np.testing.assert_array_equal(pictures["color"], pixels(answer["color"]))
        assert pictures["overlay"].shape == (32, 32, 3)
        sizes.append(len(received["overlay"][-1].data))
    assert sizes[0] > 1.5 * sizes[1]
    for subscription in subscriptions:
        active.node.destroy_subscription(subscription)


def test_the_gap_changes_while_the_node_runs(active):
    active.ask(image_message(street(), stamp=50.0))
    active.set_parameters(max_frame_gap=3.0)
    resets = active.counts()["resets"]
    active.ask(image_message(street(), stamp=52.0))
    assert active.counts()["resets"] == resets
    active.set_parameters(max_frame_gap=1.0)
    active.ask(image_message(street(), stamp=54.0))
    assert active.counts()["resets"] == resets + 1


def test_frames_above_the_rate_asked_for_are_skipped(active):
    active.set_parameters(max_rate=0.001)
    active.ask(image_message(street()))
    before = active.counts()
    active.send(image_message(street()))
    active.wait_for_count("skipped", before["skipped"] + 1)
    assert active.counts()["processed"] == before["processed"]
    # At once, whatever the old rate had planned.
    active.set_parameters(max_rate=100.0)
    active.ask(image_message(street()))
    active.set_parameters(max_rate=0.0)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"memory_size": 3}, "'memory_size' is read when the node is configured"),
        ({"image_topics": ["other"]}, "set it while the node is unconfigured"),
        ({"autostart": False}, "read-only"),
        ({"overlay_opacity": 1.5}, "overlay_opacity"),
        ({"overlay_opacity": "much"}, "Wrong parameter type"),
        ({"palette": "dragon=#010203"}, "no such classes ['dragon']"),
        ({"palette": "road=red"}, "'class=#rrggbb'"),
    ],
)
def test_other_changes_are_rejected_with_a_reason(active, values, reason):
    (result,) = active.set_parameters(**values)
    assert not result.successful
    assert reason in result.reason


def test_diagnostics_say_what_runs_and_how_fast(active, checkpoint):
    for index in range(3):
        active.ask(image_message(street(), stamp=70 + index / 10))
    active.fresh_status()
    figures = active.diagnostics
    assert figures["network"] == figures["model_file"] == str(checkpoint)
    assert figures["model_hash"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert figures["backend"].startswith("torch cpu")
    for origin in ("receipt", "stamp"):
        p50, p95, largest = (
            float(figures[f"latency_from_{origin}_ms_{name}"]) for name in ("p50", "p95", "max")
        )
        assert 0 < p50 <= p95 <= largest
    assert float(figures["input_rate_hz"]) > 0
    assert float(figures["output_rate_hz"]) > 0


def test_the_rate_of_diagnostics_changes_at_once(active):
    active.set_parameters(diagnostics_rate=0.01)
    reports = active.reports
    active.set_parameters(diagnostics_rate=20.0)
    active.wait_until(lambda: active.reports > reports + 2, "diagnostics at the new rate")


def test_a_silent_camera_is_an_error_until_it_speaks_again(active):
    active.set_parameters(silence_timeout=0.3)

    def is_silent() -> bool:
        return "no frame received for" in active.status.message

    active.wait_until(is_silent, "the silence to be noticed")
    assert active.status.level == DiagnosticStatus.ERROR
    active.set_parameters(silence_timeout=60.0)
    active.ask(image_message(street()))
    active.wait_until(lambda: not is_silent(), "the silence to be over")
    active.set_parameters(silence_timeout=0.0)


# Last, for nobody listens to the node afterwards.
def test_a_lazy_node_lets_go_of_the_camera_while_nobody_listens(active):
    active.set_parameters(lazy=True)
    active.ask(image_message(street()))
    outputs = {f"{active.node_name}/{name}" for name in OUTPUTS}
    for subscription in [s for s in active.node.subscriptions if s.topic_name in outputs]:
        active.node.destroy_subscription(subscription)
    active.wait_until(lambda: active.subscription_count() == 0, "the camera to be let go of")
    active.wait_until(lambda: "nobody listens" in active.status.message, "that to be reported")
    assert active.status.level == DiagnosticStatus.OK
    answers: list[Image] = []
    topic = f"{active.node_name}/labels"
    active.node.create_subscription(Image, topic, answers.append, 10)
    active.wait_until(active.subscription_count, "the node to listen again")
    active.send(image_message(street()))
    active.wait_until(lambda: answers, "an answer")
