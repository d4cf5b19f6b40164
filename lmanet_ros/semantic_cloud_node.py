"""The program `semantic_cloud_node`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from lmanet_ros.node_process import run_nodes

if TYPE_CHECKING:
    from lmanet_ros.node.managed_node import ManagedNode

DESCRIPTION = (
    "Gives points of a depth image or a lidar their class; see docs/how-to/nav2.md for topics."
)


def main(args: list[str] | None = None) -> int:
    """Run the semantic cloud node until SIGINT or SIGTERM.

    Args:
        args: command line without the program's name; None: that of the process.

    Returns:
        Exit status 1 if the node cannot start, 2 for arguments that are not for ROS, 0 after
        --help. After a signal the process ends here, with 0.
    """
    return run_nodes("semantic_cloud_node", DESCRIPTION, _load, args)


def _load() -> tuple[type, list[Callable[[], ManagedNode]]]:
    from lmanet_ros.cloud.cloud_parameters import CloudParameters
    from lmanet_ros.cloud.semantic_cloud import SemanticCloudNode

    return CloudParameters, [SemanticCloudNode]


if __name__ == "__main__":
    sys.exit(main())
