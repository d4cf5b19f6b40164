"""What the segmentation node publishes for a frame: one table for all that make, record or read it.

An output is added here, made in `node/publishing/image_outputs.py`, and allowed in
`config/segmentation_node.policy.xml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image


@dataclass(frozen=True)
class Output:
    """An output of the node.

    Attributes:
        name: of its topic, below the node or, of one of several cameras, below `<node>/<camera>`.
        message_type: of its messages.
        needs_confidence: whether the network has to say how certain it is.
        only_here: whether nothing but a segmentation node publishes one of that name beside labels.
    """

    name: str
    message_type: Any
    needs_confidence: bool = False
    only_here: bool = False


OUTPUTS = (
    Output("labels", Image),
    Output("confidence", Image, needs_confidence=True, only_here=True),
    Output("color", Image),
    Output("overlay", Image, only_here=True),
    Output("color/compressed", CompressedImage),
    Output("overlay/compressed", CompressedImage),
    Output("camera_info", CameraInfo),
)
"""In the order in which they are published, so that labels leave before colours are painted."""
PICTURES = tuple(output.name for output in OUTPUTS if output.message_type is Image)
"""Those that are recorded and evaluated."""
