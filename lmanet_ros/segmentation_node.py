"""The program `segmentation_node`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from lmanet_ros.node_process import run_nodes

DESCRIPTION = "Labels every pixel of a camera's images; see docs/reference/node.md for topics."


def _load() -> Any:
    from lmanet_ros.node.segmentation import SegmentationNode
    from lmanet_ros.node.segmentation_parameters import NodeParameters

    return NodeParameters, [SegmentationNode]


main = partial(run_nodes, "segmentation_node", DESCRIPTION, _load)

if __name__ == "__main__":
    sys.exit(main())
