"""Whatever comes in and whoever goes away: the node ends in a defined state, and soon."""

import math
import random
import re
import signal
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module

import cv2
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from ros_harness import (
    Client,
    NodeProcess,
    connected,
    image_message,
    promptly,
    resident_megabytes,
    set_header,
    street,
)
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from test_video_publisher import started as started_publisher

STEP = 0.01


@pytest.fixture(scope="module")
def node(sleepy) -> Iterator[NodeProcess]:
    with sleepy.running_node(STEP) as process:
        yield process
        assert "Traceback" not in process.output


@pytest.fixture(scope="module")
def client(node) -> Iterator[Client]:
    with connected(node) as client:
        yield client


def fuzzed(rng: random.Random) -> Image:
    """An image of which something, most often, is wrong."""
    message = image_message(street(), stamp=rng.uniform(1, 1e9))
    mutations: list[Callable[[], None]] = [
        lambda: setattr(
            message, "encoding", rng.choice(["", "rgb9", "RGB8", "32FC1", "\u00e4" * 999])
        ),
        lambda: setattr(
            message, "encoding", rng.choice(["mono8", "nv12", "bayer_rggb16", "rgba16"])
        ),
        lambda: setattr(message, "width", rng.choice([0, 1, 63, 2**31, 2**32 - 1])),
        lambda: setattr(message, "height", rng.choice([0, 1, 31, 2**31, 2**32 - 1])),
        lambda: setattr(message, "step", rng.choice([0, 1, 191, 193, 2**32 - 1])),
        lambda: setattr(message, "data", array("B", rng.randbytes(rng.randrange(9999)))),
        lambda: setattr(message.header.stamp, "sec", rng.choice([-(2**31), -1, 2**31 - 1])),
        lambda: setattr(message.header.stamp, "nanosec", 2**32 - 1),
        lambda: setattr(message.header, "frame_id", rng.choice(["", "x" * 99999, "\u00e4/\n%s{}"])),
    ]
    for mutate in rng.sample(mutations, rng.randint(1, 3)):
        mutate()
    return message


def garbage(rng: random.Random) -> CompressedImage:
    """Bytes that begin like a picture, or not even that."""
    begin = rng.choice([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"RIFF"])
    data = begin + rng.randbytes(rng.choice([0, 1, 100, 9999]))
    message = CompressedImage(format=rng.choice(["png", "jpeg", "", "?"]), data=array("B", data))
    set_header(message, rng.uniform(1, 1e9))
    return message


def survives(client: Client, good: Image | CompressedImage, bad: list) -> None:
    """Send good frames with one of the others between any two of them."""
    before = client.counts()
    for index, message in enumerate(bad):
        client.send(message)
        set_header(good, 1 + index / 10, f"camera {index}")
        answered = len(client.received["labels"])
        client.send(good)
        client.wait_until(
            lambda answered=answered: (
                len(client.received["labels"]) > answered
                and client.received["labels"][-1].header == good.header
            ),
            "an answer to the good frame",
        )
    counts = Counter(client.counts())
    counts.subtract(before)
    reasons = {name: n for name, n in counts.items() if name.startswith("refused_") and n}
    print(f"{counts['received']} received, {counts['refused']} refused: {reasons}")
    assert counts["received"] == 2 * len(bad)
    assert counts["failed"] == 0
    # Nothing wrong but with the header is no reason to refuse an image.
    assert len(bad) / 3 < counts["refused"] + counts["dropped"]
    assert counts["refused"] == sum(reasons.values())
    assert counts["processed"] + counts["dropped"] == counts["received"] - counts["refused"]
    assert len(reasons) > 1


# First, while the other tests' node does not run yet: the client knows nodes by their name.
def test_garbage_in_place_of_pictures_leaves_the_good_ones_alone(sleepy, soak):
    rng = random.Random(0)
    png = cv2.imencode(".png", street())[1].tobytes()
    with (
        sleepy.running_node(STEP, "-p", "compressed:=true") as process,
        connected(process) as client,
    ):
        good = CompressedImage(format="png", data=array("B", png))
        survives(client, good, [garbage(rng) for _ in range(soak["malformed"])])


def test_malformed_images_leave_the_good_ones_alone(client, soak):
    rng = random.Random(0)
    survives(client, image_message(street()), [fuzzed(rng) for _ in range(soak["malformed"])])


def test_bytes_that_are_no_message_leave_the_good_ones_alone(node, client, soak):
    rng = random.Random(0)
    good = serialize_message(image_message(street()))
    for index in range(soak["malformed"] // 5):
        # Anything may come off the wire; it must only not end the node.
        cut, noise = good[: rng.randrange(len(good))], rng.randbytes(rng.randrange(4000))
        client.send_bytes(rng.choice([cut, noise, good.replace(b"rgb8", b"\xff\xfe\xfd8")]))
        with promptly():
            client.ask(image_message(street(), stamp=1 + index / 10))
    assert node.running


def test_a_camera_that_dies_is_reported_and_taken_up_again(client):
    client.set_parameters(silence_timeout=0.5)
    for _ in range(2):
        answered = client.counts()["processed"]
        with started_publisher(rate=20.0, width=64, height=32) as camera:
            client.wait_until(
                lambda answered=answered: int(client.diagnostics["processed"]) > answered + 10,
                "frames of the camera",
            )
            # Now and then, on a machine that may be too busy for the camera to be in time.
            client.wait_until(
                lambda: client.status.level == DiagnosticStatus.OK, "the camera to be well"
            )
            camera.signal(signal.SIGKILL)
            with promptly():
                client.wait_until(
                    lambda: client.status.level == DiagnosticStatus.ERROR, "its death to be noticed"
                )
    client.set_parameters(silence_timeout=0.0)


@pytest.mark.parametrize(
    ("stamp", "reset"),
    [(100.0, True), (1e6, True), (99.9, True), (101.5, True), (100.6, False)],
    ids=["bag looped", "clock jumps ahead", "clock jumps back", "gap", "no break"],
)
def test_time_that_does_not_go_on_starts_the_memory_anew(client, stamp, reset):
    for index in range(3):
        client.ask(image_message(street(), stamp=100.0 + index / 10))
    resets = client.counts()["resets"]
    with promptly():
        message = image_message(street(), stamp=stamp)
        assert client.ask(message)["labels"].header == message.header
        counts = client.counts()
    assert counts["resets"] - resets == reset
    assert counts["memory_filled"] == (1 if reset else 2)


def test_a_simulated_clock_may_jump(client):
    clock = client.node.create_publisher(Clock, "/clock", 10)
    client.set_parameters(use_sim_time=True)
    client.wait_until(clock.get_subscription_count, "the node to follow the clock")
    for now in (1000, 5, 2000):
        message = Clock()
        message.clock.sec = now
        clock.publish(message)
        with promptly():
            client.ask(image_message(street(), stamp=now + 0.5))
            # Reports keep coming, whatever time they are stamped with.
            reported = client.reports
            client.wait_until(lambda reported=reported: client.reports > reported + 1, "reports")
    client.set_parameters(use_sim_time=False)
    client.node.destroy_publisher(clock)


def test_the_resolution_may_change_under_load(client):
    answers = client.received["labels"]
    for size in ((64, 32), (96, 64), (48, 48), (64, 32)):
        with client.playing(image_message(street(*size)), rate=100.0), promptly():
            client.wait_until(
                lambda size=size: answers and (answers[-1].width, answers[-1].height) == size,
                f"answers of {size}",
            )
            client.wait_until(
                lambda: client.counts(settled=False)["memory_filled"] == 2, "the memory"
            )


def test_the_memory_may_be_reset_under_load(client):
    # A busy machine may let the camera wait: no gap is to empty the memory, too.
    client.set_parameters(max_frame_gap=0.0)
    with client.playing(image_message(street()), rate=200.0):
        resets = client.counts(settled=False)["resets"]
        for _ in range(20):
            with promptly():
                client.reset_memory()
        with promptly():
            client.wait_until(
                lambda: client.counts(settled=False)["memory_filled"] == 2, "the memory"
            )
        assert resets < client.counts(settled=False)["resets"] <= resets + 20
    client.set_parameters(max_frame_gap=1.0)


def test_a_storm_of_parameters_is_weathered(client):
    storm = [
        {"overlay_opacity": 0.1},
        {"overlay_opacity": float("nan")},
        {"memory_size": 7},
        {"palette": "road=#000000"},
        {"palette": "nonsense"},
        {"max_frame_gap": -1.0},
        {"max_rate": 50.0, "nowhere": 1},
        {"image_topics": []},
        {"max_rate": "fast"},
        {"max_rate": None},
    ]
    service = client.node.create_client(SetParameters, f"{client.node_name}/set_parameters")
    client.wait_until(service.service_is_ready, "the service")
    with client.playing(image_message(street()), rate=100.0):
        begin = time.monotonic()
        requests = [
            SetParameters.Request(
                parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in values.items()]
            )
            for values in 10 * storm
        ]
        # The middleware keeps ten requests; more at a time can get lost on the way.
        for first in range(0, len(requests), 5):
            futures = [service.call_async(request) for request in requests[first : first + 5]]
            for future in futures:
                client.result(future)
        print(f"{len(requests)} requests in {time.monotonic() - begin:.2f} s")
        with promptly():
            answered = len(client.received["labels"])
            client.wait_until(lambda: len(client.received["labels"]) > answered, "an answer")
    results = client.set_parameters(overlay_opacity=0.5, palette="", max_rate=0.0)
    assert all(result.successful for result in results)
    assert client.counts()["memory_size"] == 2


def nonsense(rng: random.Random, kind: str) -> object:
    """A value for a field of a message, of a type as ROS names it."""
    if element := re.fullmatch(r"sequence<(.+)>", kind):
        return [nonsense(rng, element[1]) for _ in range(rng.choice([0, 1, 3]))]
    if "/" in kind:
        package, name = kind.split("/")
        return filled_with_nonsense(rng, getattr(import_module(f"{package}.msg"), name))
    if bits := re.fullmatch(r"u?int(\d+)", kind):
        signed = not kind.startswith("u")
        low, high = (-(2 ** (int(bits[1]) - 1)) if signed else 0), 2 ** (int(bits[1]) - signed) - 1
        return rng.choice([0, 1, 4, low, high, rng.randint(low, high)])
    return {
        "string": rng.choice(["", "max_rate", "a.b", ".", "x" * 500, "\u00e4/{}%s", "configure"]),
        "boolean": rng.random() < 0.5,
        "double": rng.choice([0.0, -1.0, math.nan, math.inf, 1e308, 5e-324]),
        "octet": rng.randbytes(1),
    }[kind]


def filled_with_nonsense(rng: random.Random, message_type: type) -> object:
    fields = message_type.get_fields_and_field_types()
    return message_type(**{name: nonsense(rng, kind) for name, kind in fields.items()})


def test_whatever_is_asked_of_a_service_is_answered(client):
    rng = random.Random(0)
    services = client.node.get_service_names_and_types_by_node("segmentation_node", "/")
    asked = set()
    for full_name, (kind,) in services:
        package, _, type_name = kind.split("/")
        name = full_name.removeprefix(f"{client.node_name}/")
        # What it does with transitions has a test of its own.
        if package in ("rcl_interfaces", "lifecycle_msgs") and name != "change_state":
            service_type = getattr(import_module(f"{package}.srv"), type_name)
            for _ in range(20):
                client.call(service_type, name, filled_with_nonsense(rng, service_type.Request))
            asked.add(name)
    assert asked >= {"set_parameters", "set_parameters_atomically", "get_parameters"}
    assert client.state() == "active"
    client.set_parameters(max_rate=0.0)


@pytest.mark.parametrize("transition", ["CREATE", "CONFIGURE", "CLEANUP", "ACTIVATE", "DESTROY"])
def test_a_transition_that_the_state_does_not_allow_is_refused(client, transition):
    number = getattr(Transition, f"TRANSITION_{transition}")
    # By its number, as managers ask.
    request = ChangeState.Request(transition=Transition(id=number))
    assert not client.call(ChangeState, "change_state", request).success
    assert client.state() == "active"


def test_parameters_of_a_type_that_there_is_not_are_refused(client):
    known, unknown = ParameterValue(type=3, double_value=0.0), ParameterValue(type=200)
    values = {"max_rate": known, "overlay_opacity": unknown, "min_confidence": known}
    parameters = [ParameterMessage(name=name, value=value) for name, value in values.items()]
    request = SetParameters.Request(parameters=parameters)
    results = client.call(SetParameters, "set_parameters", request).results
    assert [result.successful for result in results] == [True, False, True]
    request = SetParametersAtomically.Request(parameters=parameters)
    result = client.call(SetParametersAtomically, "set_parameters_atomically", request).result
    assert not result.successful
    assert "200" in result.reason


def test_the_node_may_go_through_its_states_under_load(node, client, soak):
    with client.playing(image_message(street()), rate=100.0):
        sizes = []
        for _ in range(soak["cycles"]):
            for transition in ("deactivate", "cleanup", "configure", "activate"):
                with promptly():
                    assert client.change_state(transition), transition
            sizes.append(resident_megabytes(node.pid))
        with promptly():
            answered = len(client.received["labels"])
            client.wait_until(lambda: len(client.received["labels"]) > answered, "an answer")
    print(f"MB after each cycle: {[round(size, 1) for size in sizes]}")
    assert client.state() == "active"
    client.wait_until(
        lambda: client.status.level == DiagnosticStatus.OK, "diagnostics without a problem"
    )


def test_sigterm_under_load_ends_the_node(sleepy):
    with sleepy.running_node(0.5) as process, connected(process) as client:
        with client.playing(image_message(street()), rate=100.0):
            client.wait_until(lambda: client.received["labels"], "an answer")
            with promptly():
                process.signal(signal.SIGTERM)
                assert process.wait() == 0
        assert "Traceback" not in process.output
