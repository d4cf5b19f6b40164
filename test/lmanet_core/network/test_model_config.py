"""ModelConfig and ClassTable: validated on creation, the same after a round trip."""

import numpy as np
import pytest

from lmanet_core import CITYSCAPES, ClassTable, ModelConfig


def test_round_trip_through_plain_values():
    config = ModelConfig(classes=ClassTable(("a", "b"), ((0, 0, 0), (1, 2, 3))), window_size=None)
    assert ModelConfig.from_dict(config.to_dict()) == config


def test_defaults_are_those_of_the_paper():
    config = ModelConfig()
    assert (config.backbone, config.memory_size, config.window_size) == ("erfnet", 4, 21)
    assert (config.key_channels, config.value_channels) == (16, 64)
    assert len(config.classes) == 19


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"window_size": 20},
            "window_size is the side of a centred window and must be odd, got 20",
        ),
        ({"window_size": 0}, "window_size must be an integer in 1..1023"),
        ({"memory_size": -1}, "memory_size must be an integer in 0..64, got -1"),
        ({"memory_size": True}, "memory_size must be an integer"),
        ({"key_channels": 0}, "key_channels must be an integer in 1..4096"),
        ({"key_form": "round"}, "key_form must be one of"),
        ({"key_form": "located", "key_channels": 5}, "key_channels must be an integer in 6..4096"),
        ({"key_form": "located", "window_size": 65}, "at most 63 with key_form 'located'.*got 65"),
        ({"key_form": "located", "window_size": None}, "at most 63 .*got null, which is everywh"),
        ({"value_channels": 1.5}, "value_channels must be an integer"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**settings)


@pytest.mark.parametrize(
    ("names", "palette", "message"),
    [
        ((), (), "at least one class"),
        (("a",), (), "one colour for each of the 1 classes, got 0"),
        (("a",), ((0, 0, 256),), "colour of class 'a'"),
        (("a",) * 256, ((0, 0, 0),) * 256, "at most 255"),
    ],
)
def test_bad_class_tables_are_refused(names, palette, message):
    with pytest.raises(ValueError, match=message):
        ClassTable(names, palette)


def test_colorize_paints_classes_and_leaves_ignored_pixels_black():
    labels = np.array([[0, 10], [13, 255]], dtype=np.uint8)
    painted = CITYSCAPES.colorize(labels)
    assert painted.tolist() == [[[128, 64, 128], [70, 130, 180]], [[0, 0, 142], [0, 0, 0]]]
    assert painted.dtype == np.uint8


def test_some_classes_get_other_colours():
    table = ClassTable(("road", "sky"), ((1, 1, 1), (2, 2, 2)))
    assert table.recolored({"sky": (3, 4, 5)}).palette == ((1, 1, 1), (3, 4, 5))
    assert table.recolored({}) == table
    with pytest.raises(ValueError, match=r"no such classes \['sea'\]"):
        table.recolored({"sea": (0, 0, 0)})
