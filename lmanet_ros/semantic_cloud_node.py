"""The program `semantic_cloud_node`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from lmanet_ros.node_process import run_nodes

DESCRIPTION = (
    "Gives points of a depth image or a lidar their class; see docs/how-to/nav2.md for topics."
)


def _load() -> Any:
    from lmanet_ros.cloud.cloud_parameters import CloudParameters
    from lmanet_ros.cloud.semantic_cloud import SemanticCloudNode

    return CloudParameters, [SemanticCloudNode]


main = partial(run_nodes, "semantic_cloud_node", DESCRIPTION, _load)

if __name__ == "__main__":
    sys.exit(main())
