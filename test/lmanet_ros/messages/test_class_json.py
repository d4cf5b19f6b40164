"""Class tables in JSON."""

import json

import pytest

from lmanet_core import CITYSCAPES
from lmanet_ros.messages.class_json import from_json, to_json


def test_a_table_is_read_as_it_was_written():
    table = from_json(to_json(CITYSCAPES))
    assert (table.names, table.palette) == (CITYSCAPES.names, CITYSCAPES.palette)


def test_users_read_label_name_and_colour_of_each_class_and_what_is_no_class():
    content = json.loads(to_json(CITYSCAPES))
    assert content["classes"][1] == {"label": 1, "name": "sidewalk", "color": "#f423e8"}
    assert (content["ignore_label"], content["ignore_name"]) == (255, "unlabeled")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected a class table"),
        ("[1]", "expected a class table"),
        ('{"classes": [{"label": 0, "name": "road"}]}', "color"),
        ('{"classes": [{"label": 1, "name": "road", "color": "#804080"}]}', "labels must be 0"),
        ('{"classes": [{"label": 0, "name": "road", "color": "#8040"}]}', "expected a class"),
    ],
)
def test_what_is_no_table_is_refused(text, reason):
    with pytest.raises(ValueError, match="expected a class table in JSON") as caught:
        from_json(text)
    assert reason in str(caught.value)
