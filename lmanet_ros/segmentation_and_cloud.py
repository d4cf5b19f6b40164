"""The program `segmentation_and_cloud`: both nodes in one process.

What is to reach one of the nodes only begins with its name: `-r segmentation_node:image:=/rect`.
The labels are those of this process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lmanet_ros.node_process import run_nodes

if TYPE_CHECKING:
    from lmanet_ros.node.managed_node import ManagedNode

DESCRIPTION = "segmentation_node and semantic_cloud_node in one process; see docs/how-to/nav2.md."


def _load() -> tuple[type, list[Callable[[], ManagedNode]]]:
    from lmanet_ros.cloud.cloud_parameters import CloudParameters
    from lmanet_ros.cloud.semantic_cloud import SemanticCloudNode
    from lmanet_ros.node.segmentation import SegmentationNode
    from lmanet_ros.node.segmentation_parameters import NodeParameters

    @dataclass(frozen=True)
    class Parameters(NodeParameters, CloudParameters):
        """Parameters of both nodes."""

    beside = ["--ros-args", "-r", "labels:=segmentation_node/labels"]
    return Parameters, [SegmentationNode, lambda: SemanticCloudNode(cli_args=beside)]


main = partial(run_nodes, "segmentation_and_cloud", DESCRIPTION, _load)

if __name__ == "__main__":
    sys.exit(main())
