"""Several cameras in one node: one network, a memory and a namespace each."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from ros_harness import Client, connected, image_message, pixels, running_node, street

from lmanet_core import load, open_segmenter
from lmanet_ros.node.arrival.camera import camera_names

CAMERAS = {"front": "/front/image_raw", "rear": "/rear/image_raw"}


@pytest.mark.parametrize(
    ("topics", "names"),
    [
        (["/front/image_raw", "/rear/image_raw"], ["front", "rear"]),
        (["car/front/image", "car/rear/image"], ["car/front", "car/rear"]),
        (["/image_a", "image_b"], ["image_a", "image_b"]),
        (["/stereo/left", "/stereo/right"], ["stereo/left", "stereo/right"]),
        (["image"], ["image"]),
    ],
)
def test_cameras_are_named_by_what_tells_them_apart(topics, names):
    assert camera_names(topics) == names


@pytest.fixture(scope="module", params=[1, 2], ids=["one by one", "in batches"])
def cameras(checkpoint, request) -> Iterator[dict[str, Client]]:
    topics = f"image_topics:=[{', '.join(CAMERAS.values())}]"
    batch = f"max_batch:={request.param}"
    with running_node(checkpoint, "-p", topics, "-p", batch) as process, ExitStack() as stack:
        yield {
            name: stack.enter_context(connected(process, topic=topic, camera=name))
            for name, topic in CAMERAS.items()
        }


def test_each_camera_has_its_own_memory_and_answers(cameras, checkpoint):
    segmenters = {name: open_segmenter(load(checkpoint)) for name in cameras}
    for index in range(3):
        for number, (name, client) in enumerate(cameras.items()):
            picture = street(seed=10 * number + index)
            message = image_message(picture, stamp=1 + index / 10, frame_id=name)
            answer = client.ask(message)["labels"]
            assert answer.header == message.header
            labels = segmenters[name].step(picture).labels
            assert (pixels(answer) == labels).mean() > 0.99
    for client in cameras.values():
        counts = client.counts()
        assert (counts["processed"], counts["resets"], counts["memory_filled"]) == (3, 0, 2)


def test_one_memory_is_reset_without_the_other(cameras):
    front, rear = cameras.values()
    for client in cameras.values():
        client.ask(image_message(street(), stamp=2.0))
        client.ask(image_message(street(), stamp=2.1))
    front.node_name = front.prefix
    assert "frames were in memory" in front.reset_memory()
    assert front.counts()["memory_filled"] == 0
    assert rear.counts()["memory_filled"] == 2


def test_frames_that_wait_together_are_answered_each_with_its_own(cameras, checkpoint):
    segmenters = {name: open_segmenter(load(checkpoint)) for name in cameras}
    before = {name: len(client.received["labels"]) for name, client in cameras.items()}
    for client in cameras.values():
        client.node_name = client.prefix
        client.reset_memory()
    sent = {}
    for index in range(3):
        for number, (name, client) in enumerate(cameras.items()):
            picture = street(seed=100 + 10 * number + index)
            sent[name] = image_message(picture, stamp=20 + index / 10, frame_id=name)
            client.send(sent[name])
            segmenters[name].step(picture)
        for name, client in cameras.items():
            answers = client.received["labels"]
            client.wait_until(
                lambda answers=answers, name=name: (
                    len(answers) > before[name] and answers[-1].header == sent[name].header
                ),
                f"the answer to {name}",
            )
    for number, (name, client) in enumerate(cameras.items()):
        picture = street(seed=200 + number)
        answer = client.ask(image_message(picture, stamp=20.3, frame_id=name))["labels"]
        assert (pixels(answer) == segmenters[name].step(picture).labels).mean() > 0.99
