"""What the launch files make of their arguments."""

from pathlib import Path

import pytest
import yaml

from lmanet_ros.launching.launch_arguments import (
    ArgumentError,
    cloud_sources,
    existing_path,
    node_parameters,
)
from lmanet_ros.launching.rviz_view import rviz_view

VIEW = Path(__file__).parents[3] / "config" / "segmentation.rviz"


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({"image_topic": "", "cameras": "", "autostart": "", "checkpoint": ""}, {}),
        ({"cameras": "/a, /b,"}, {"image_topics": ["/a", "/b"]}),
        ({"image_topic": "/camera/image_raw"}, {"image_topics": ["/camera/image_raw"]}),
        ({"checkpoint": "~/w"}, {"checkpoint": str(Path.home() / "w")}),
        ({"checkpoint": "street"}, {"checkpoint": "street"}),
        (
            {"autostart": "False", "use_sim_time": "true"},
            {"autostart": False, "use_sim_time": True},
        ),
        ({"device": "cuda:0", "rviz": "true", "namespace": "front"}, {"device": "cuda:0"}),
    ],
)
def test_the_node_is_told_what_was_given(arguments, parameters):
    assert node_parameters(arguments) == parameters


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"image_topic": "/a", "cameras": "/b"}, "image_topic or cameras, got both"),
        ({"compressed": "png"}, "compressed: expected true or false, got 'png'"),
    ],
)
def test_arguments_without_sense_are_named(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        node_parameters(arguments)


def test_a_file_that_is_missing_is_named():
    with pytest.raises(ArgumentError, match="params_file: there is no '/no/such"):
        existing_path("params_file", "/no/such.yaml")
    assert existing_path("output", "~") == Path.home()


def test_a_view_shows_each_camera_in_a_dock_of_its_own():
    cameras = {"front": "/front/image", "rear": "/rear/image"}
    view = yaml.safe_load(rviz_view(VIEW.read_text(), cameras, "/robot/eyes"))
    shown = {
        display["Name"]: display["Topic"]["Value"]
        for display in view["Visualization Manager"]["Displays"]
    }
    assert shown["front: Input"] == "/front/image"
    assert shown["rear: Overlay"] == "/robot/eyes/rear/overlay"
    assert shown.keys() <= view["Window Geometry"].keys()


def test_the_view_has_what_rviz_reads_without_a_default():
    """Whether docks are hidden is otherwise up to what its memory holds."""
    geometry = yaml.safe_load(VIEW.read_text())["Window Geometry"]
    assert geometry["Hide Left Dock"] is geometry["Hide Right Dock"] is False


def test_each_camera_gets_a_semantic_cloud_node_of_its_own():
    assert cloud_sources({}, [""], "/segmentation_node") == []
    arguments = {"cloud": "true", "depth_topic": "/front/depth, /rear/depth", "autostart": "false"}
    front, rear = cloud_sources(arguments, ["front", "rear"], "/robot/eyes")
    assert (front.camera, rear.camera) == ("front", "rear")
    assert dict(rear.remappings) == {
        "labels": "/robot/eyes/rear/labels",
        "classes": "/robot/eyes/classes",
        "depth": "/rear/depth",
    }
    assert rear.parameters == {"autostart": False}
    lidar = {"cloud": "true", "cloud_topic": "/points"}
    for node in cloud_sources(lidar, ["front", "rear"], "/eyes"):
        assert dict(node.remappings)["cloud"] == "/points"
        assert node.parameters == {"range_source": "cloud"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"depth_topic": "/a"}, "depth_topic belongs to cloud:=true"),
        ({"cloud": "true", "depth_topic": "/a", "cloud_topic": "/b"}, "got both"),
        ({"cloud": "true", "depth_topic": "/a"}, "a topic for each of 2 cameras"),
    ],
)
def test_topics_for_clouds_that_make_no_sense_are_named(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        cloud_sources(arguments, ["front", "rear"], "/segmentation_node")


def test_a_view_shows_points_in_the_colours_of_their_classes():
    clouds = {"front": "/robot/front/semantic_cloud_node"}
    view = yaml.safe_load(rviz_view(VIEW.read_text(), {"front": "/a"}, "/eyes", clouds))
    displays = {display["Name"]: display for display in view["Visualization Manager"]["Displays"]}
    points = displays["front: Points"]
    assert points["Topic"]["Value"] == "/robot/front/semantic_cloud_node/points"
    assert (points["Color Transformer"], points["Enabled"]) == ("RGB8", True)
    assert not displays["front: Ground"]["Enabled"]
    assert "front: Points" not in view["Window Geometry"]
