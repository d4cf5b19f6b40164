"""The launch file, by the real `ros2 launch`."""

import signal
from pathlib import Path

import pytest
import yaml
from launch_harness import launched, needs_ros2_launch, stand_in_prefix, told
from ros_harness import connected, image_message, promptly, street

LAUNCH = ("lmanet_ros", "segmentation.launch.py")
NETWORK = ("checkpoint", "model_file", "engine")
INCLUDING = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace, SetParameter, SetParametersFromFile, SetRemap
from launch_ros.substitutions import FindPackageShare

def generate_launch_description():
    folder = FindPackageShare("lmanet_ros").find("lmanet_ros")
    return LaunchDescription([
        SetParameter("use_sim_time", True),
        SetParameter("checkpoint", "mine"),
        SetParametersFromFile({params_file!r}),
        SetRemap("image", "/remapped"),
        PushRosNamespace("robot"),
        IncludeLaunchDescription(
            folder + "/launch/segmentation.launch.py", launch_arguments={arguments!r}
        ),
        # What is not given does not stay set, either.
        Node(
            package="lmanet_ros",
            executable="evaluate_bag",
            name=LaunchConfiguration("log_level", default="next"),
        ),
    ])
"""

pytestmark = needs_ros2_launch


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory) -> Path:
    return stand_in_prefix(tmp_path_factory.mktemp("prefix"))


def params_file(folder: Path, **parameters: object) -> Path:
    file = folder / "parameters.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))
    return file


def test_without_arguments_the_shipped_weights_segment_the_topic_image(prefix):
    with launched(prefix, *LAUNCH) as process, connected(process) as client:
        assert client.ask(image_message(street()))["labels"].encoding == "mono8"
        with promptly():
            process.signal(signal.SIGINT)
            assert process.wait() == 0
        assert "process has finished cleanly" in process.output
        assert "Traceback" not in process.output


def test_every_argument_reaches_the_node(stand_in, tmp_path):
    file = params_file(tmp_path, checkpoint="nowhere", memory_size=1, image_topics=["other"])
    arguments = {
        "params_file": file,
        "cameras": "/a, /b,",
        "compressed": "True",
        "image_reliability": "reliable",
        "checkpoint": "~/weights.safetensors",
        "model_file": "0",
        "device": "cpu",
        "autostart": "false",
        "use_sim_time": "true",
        "namespace": "front/",
        "node_name": "second",
        "log_level": "debug",
        "emulate_tty": "true",
        "respawn": "false",
    }
    (node,) = told(stand_in, *LAUNCH, *(f"{name}:={value}" for name, value in arguments.items()))
    assert node["name"] == "/front/second"
    assert node["parameters"] == {
        **{"memory_size": 1, "image_topics": ["/a", "/b"], "compressed": True},
        **{"image_reliability": "reliable", "model_file": "0", "device": "cpu", "autostart": False},
        **{"checkpoint": str(Path.home() / "weights.safetensors"), "use_sim_time": True},
        "engine": "",
        "start_type_description_service": True,
    }
    assert node["arguments"][:3] == ["--ros-args", "--log-level", "debug"]
    assert node["is_terminal"]


@pytest.mark.parametrize(
    ("in_file", "argument"),
    [("checkpoint", "model_file"), ("model_file", "checkpoint"), ("checkpoint", "engine")],
)
def test_the_network_of_an_argument_takes_the_place_of_a_file_s(
    stand_in, tmp_path, in_file, argument
):
    file = params_file(tmp_path, **{in_file: "mine", "memory_size": 1})
    (node,) = told(stand_in, *LAUNCH, f"params_file:={file}", f"{argument}:=other")
    parameters = {name: node["parameters"][name] for name in NETWORK}
    assert parameters == {**dict.fromkeys(NETWORK, ""), argument: "other"}
    assert node["parameters"]["memory_size"] == 1
    (node,) = told(stand_in, *LAUNCH, "model_file:=other")
    assert not node["parameters"]["checkpoint"], "the package's own file, too"


def test_an_including_launch_file_decides_what_nobody_else_chose(stand_in, tmp_path):
    including = tmp_path / "including.launch.py"
    of_all = params_file(tmp_path, memory_size=3)

    def include(**arguments: object) -> dict:
        pairs = [(name, str(value)) for name, value in arguments.items()]
        including.write_text(INCLUDING.format(params_file=str(of_all), arguments=pairs))
        following, node = told(stand_in, including)
        assert following["name"] == "/robot/next"
        return node

    node = include()
    assert (node["name"], node["topic"]) == ("/robot/segmentation_node", "/remapped")
    settings = {name: node["parameters"][name] for name in ("use_sim_time", "checkpoint")}
    assert settings == {"use_sim_time": True, "checkpoint": "mine"}
    assert node["parameters"]["memory_size"] == 3
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    file = params_file(chosen, checkpoint="$(env HOME)/w", palette="a\\b")
    node = include(params_file=file, use_sim_time="false", image_topic="/camera/image_raw")
    assert node["parameters"]["checkpoint"] == str(Path.home() / "w")
    assert node["parameters"]["use_sim_time"] is False
    assert node["parameters"]["image_topics"] == ["/camera/image_raw"]


def test_a_view_follows_the_arguments(stand_in):
    arguments = ["cameras:=front/image,rear/image", "compressed:=true", "namespace:=robot"]
    node, rviz = told(stand_in, *LAUNCH, *arguments, "rviz:=true", "use_sim_time:=true")
    assert node["name"] == "/robot/segmentation_node"
    assert rviz["parameters"]["use_sim_time"] is True
    view = yaml.safe_load(Path(rviz["arguments"][1]).read_text())
    shown = {display["Topic"]["Value"] for display in view["Visualization Manager"]["Displays"]}
    outputs = {
        f"{place}/{name}" for place in ("front", "rear") for name in ("overlay", "confidence")
    }
    assert shown == {
        "/robot/front/image/compressed",
        "/robot/rear/image/compressed",
        *(f"/robot/segmentation_node/{output}" for output in outputs),
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["params_file:=/no/such.yaml"], "params_file: there is no '/no/such.yaml'"),
        (["image_topic:=/a", "cameras:=/b"], "expected image_topic or cameras, got both"),
        (["autostart:=perhaps"], "autostart: expected true or false, got 'perhaps'"),
    ],
)
def test_arguments_without_sense_are_named(stand_in, arguments, text):
    with launched(stand_in, *LAUNCH, *arguments) as process:
        assert process.wait() != 0
    assert text in process.output
    assert "Traceback" not in process.output


def test_points_that_know_their_class_are_started_beside_it(stand_in):
    arguments = ("cloud:=true", "depth_topic:=/camera/depth", "namespace:=robot")
    segmentation, cloud = told(stand_in, *LAUNCH, *arguments)
    assert segmentation["name"] == "/robot/segmentation_node"
    assert cloud["name"] == "/robot/semantic_cloud_node"
    assert cloud["parameters"]["lazy"]
    assert "labels:=/robot/segmentation_node/labels" in cloud["arguments"]
    assert "depth:=/camera/depth" in cloud["arguments"]
