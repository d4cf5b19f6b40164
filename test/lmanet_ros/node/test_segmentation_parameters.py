"""Types, ranges and descriptions of the node's parameters."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.node import Node
from rclpy.parameter import Parameter

from lmanet_ros.node.parameter_fields import (
    ANY_TIME,
    START,
    UNCONFIGURED,
    ParameterError,
    changed_parameters,
    declare,
)
from lmanet_ros.node.segmentation_parameters import NodeParameters, parse_palette

PROJECT = Path(__file__).parents[3]
sys.path.insert(0, str(PROJECT / "docs"))
from parameter_files import written  # noqa: E402

CONFIG = Path(__file__).parents[3] / "config"
DEFAULTS = asdict(NodeParameters())


@contextmanager
def node_with(**values: object) -> Iterator[Node]:
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = rclpy.create_node("parameters_test", parameter_overrides=overrides)
    try:
        yield node
    finally:
        node.destroy_node()


def settings_in(text: str) -> dict[str, object]:
    """Parameters that the text of a file sets."""
    settings = yaml.safe_load(text).get("/**", {}).get("ros__parameters", {})
    return {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}


@pytest.mark.parametrize(("path", "text"), written().items(), ids=map(str, written()))
def test_the_files_of_parameters_are_as_the_dataclasses_say(path, text):
    """Otherwise: python docs/parameter_files.py."""
    assert (PROJECT / path).read_text() == text


@pytest.mark.parametrize("file", sorted(CONFIG.glob("*.yaml")), ids=lambda file: file.name)
def test_the_shipped_files_set_nothing_to_its_default(file):
    """Launch files that include ours may have another value, which a file would override."""
    settings = settings_in(file.read_text())
    assert settings.keys() <= DEFAULTS.keys()
    # One value there must be, or ROS does not read the file; an empty checkpoint asks for nothing.
    assert all(value != DEFAULTS[name] for name, value in settings.items() if name != "checkpoint")


def test_values_are_taken_over():
    values = {"memory_size": 7, "work_size": [512, 256], "overlay_opacity": 1.0, "device": "cpu"}
    with node_with(**values) as node:
        parameters = declare(node, NodeParameters)
    assert parameters == NodeParameters(
        memory_size=7, work_size=(512, 256), overlay_opacity=1.0, device="cpu"
    )


@pytest.mark.parametrize(
    ("name", "value", "expectation"),
    [
        ("memory_size", -2, "an integer in -1..64"),
        ("memory_size", 65, "an integer in -1..64"),
        ("memory_size", 2.0, "an integer in -1..64"),
        ("threads", -1, "an integer in 0..1024"),
        ("max_frame_gap", -0.1, "a number with a decimal point in 0.0.."),
        ("max_frame_gap", 1, "a number with a decimal point in 0.0.."),
        ("overlay_opacity", 1.1, "a number with a decimal point in 0.0..1.0"),
        ("compressed", "yes", "true or false"),
        ("checkpoint", 5, "a string"),
        ("work_size", "512x256", "a list of integers"),
        ("work_size", [512], "[width, height]"),
        ("work_size", [512, 0], "[width, height]"),
        ("work_size", [-512, 256], "[width, height]"),
        ("work_size", [-1, 256], "[-1, -1] for the image's own size"),
        ("jpeg_quality", 0, "an integer in 1..100"),
        ("min_confidence", 1.1, "a number with a decimal point in 0.0..1.0"),
        ("image_durability", "latched", "['auto', 'volatile', 'transient_local']"),
        ("output_size", [0, 256], "[width, height]"),
        ("image_topics", "image", "a list of strings"),
        ("image_topics", ["a", "a"], "one or more different topics"),
    ],
)
def test_a_bad_value_is_refused_and_named(name, value, expectation):
    with (
        node_with(**{name: value}) as node,
        pytest.raises(ParameterError, match=f"^parameter '{name}': expected ") as caught,
    ):
        declare(node, NodeParameters)
    assert expectation in str(caught.value)
    assert f"got {value!r}" in str(caught.value)


def test_parameters_are_described():
    with node_with() as node:
        declare(node, NodeParameters)
        for name in asdict(NodeParameters()):
            descriptor = node.describe_parameter(name)
            assert len(descriptor.description) > 10
            assert descriptor.additional_constraints in (ANY_TIME, UNCONFIGURED, START)
            assert descriptor.read_only == (name == "autostart")
        (limits,) = node.describe_parameter("memory_size").integer_range
        assert (limits.from_value, limits.to_value) == (-1, 64)
        (limits,) = node.describe_parameter("overlay_opacity").floating_point_range
        assert (limits.from_value, limits.to_value) == (0.0, 1.0)


def test_some_change_at_any_time_and_others_while_unconfigured_only():
    with node_with() as node:
        before = declare(node, NodeParameters)

        def changed(configured: bool = True, **values: object) -> NodeParameters:
            changes = [Parameter(name, value=value) for name, value in values.items()]
            return changed_parameters(node, NodeParameters, changes, configured=configured)

        assert changed(max_rate=5.0, use_sim_time=True) == replace(before, max_rate=5.0)
        for name, change in {
            "memory_size": {"memory_size": 3},
            "model_file": {"engine": "a"},
        }.items():
            with pytest.raises(ParameterError, match=f"'{name}' is read when the node is config"):
                changed(**change)
        assert changed(configured=False, memory_size=3).memory_size == 3
        # Files with parameters are set as a whole, most of them as they are.
        assert changed(memory_size=-1, image_topics=["image"]) == before


def test_a_parameter_is_known_by_its_former_name_for_a_while():
    with node_with(engine="a.lmanet") as node:
        assert declare(node, NodeParameters).model_file == "a.lmanet"
        changes = [Parameter("model_file", value="b.lmanet")]
        with pytest.raises(ParameterError, match="'engine' is the former name of 'model_file'"):
            changed_parameters(node, NodeParameters, changes, configured=False)
        changes = [*changes, Parameter("engine", value="")]
        after = changed_parameters(node, NodeParameters, changes, configured=False)
        assert after.model_file == "b.lmanet"
    with (
        node_with(engine="a.lmanet", model_file="b.lmanet") as node,
        pytest.raises(ParameterError, match=r"got 'a\.lmanet' and 'b\.lmanet'"),
    ):
        declare(node, NodeParameters)


def test_colours_are_read_by_class():
    assert parse_palette("road = #804080,traffic light=#FAAA1E") == {
        "road": (128, 64, 128),
        "traffic light": (250, 170, 30),
    }
    assert parse_palette("") == {}
    for text in ("road", "road=red", "=#804080", "road=#8040801"):
        with pytest.raises(ParameterError, match="expected entries 'class=#rrggbb'"):
            parse_palette(text)
