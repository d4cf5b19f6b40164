"""The view `config/segmentation.rviz`, made for cameras and a node of other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

IMAGE_TOPIC = "/camera/image_raw"
NODE_NAME = "/segmentation_node"
"""What the file shows as it is."""
IMAGE_CLASS = "rviz_default_plugins/Image"
CLOUDS = {"Points": "points", "Obstacles": "obstacles", "Ground": "ground"}
"""Topics of a semantic cloud node by what they are called in RViz; the first is shown at once."""


def rviz_view(
    text: str, cameras: Mapping[str, str], outputs: str, clouds: Mapping[str, str] | None = None
) -> str:
    """Make a view of other topics.

    Args:
        text: content of `config/segmentation.rviz`.
        cameras: full topic of each camera's images by what the node calls the camera; a single one
            needs no name: ''.
        outputs: full name of the node, under which its outputs are.
        clouds: full name of the semantic cloud node of each camera that has one, likewise.

    Returns:
        Content of a file for RViz: the displays of `text`, for each camera.
    """
    view = yaml.safe_load(text)
    manager = view["Visualization Manager"]
    manager["Displays"] = [
        _display_of(display, name, topic, outputs)
        for name, topic in cameras.items()
        for display in manager["Displays"]
    ]
    manager["Displays"] += [
        _cloud_display(name, camera, node, kind)
        for camera, node in (clouds or {}).items()
        for name, kind in CLOUDS.items()
    ]
    # The docks that show images have the names of their displays.
    view["Window Geometry"] |= {
        display["Name"]: {"collapsed": False}
        for display in manager["Displays"]
        if display["Class"] == IMAGE_CLASS
    }
    return yaml.safe_dump(view, sort_keys=False)


def _display_of(display: Mapping[str, Any], camera: str, topic: str, outputs: str) -> Any:
    name, shown = display["Name"], display["Topic"]["Value"]
    if shown != IMAGE_TOPIC:
        prefix = f"{outputs}/{camera}" if camera else outputs
        topic = shown.replace(NODE_NAME, prefix, 1)
    return {
        **display,
        "Name": f"{camera}: {name}" if camera else name,
        "Topic": {**display["Topic"], "Value": topic},
    }


def _cloud_display(name: str, camera: str, node: str, topic: str) -> dict[str, Any]:
    """Points in the colours of their classes."""
    return {
        "Class": "rviz_default_plugins/PointCloud2",
        "Name": f"{camera}: {name}" if camera else name,
        "Enabled": topic == "points",
        "Value": topic == "points",
        "Color Transformer": "RGB8",
        "Position Transformer": "XYZ",
        "Style": "Points",
        "Size (Pixels)": 2,
        "Topic": {
            "Depth": 2,
            "Durability Policy": "Volatile",
            "History Policy": "Keep Last",
            "Reliability Policy": "Best Effort",
            "Value": f"{node}/{topic}",
        },
    }
