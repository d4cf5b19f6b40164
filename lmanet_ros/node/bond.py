"""The bond by which a lifecycle manager, such as Nav2's, notices that a node has died."""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode

try:
    from bondpy.bondpy import Bond
except ImportError:
    # Not everywhere where ROS is; a manager then needs `bond_timeout: 0.0`.
    Bond = None

TOPIC = "bond"
HEARTBEAT_PERIOD = 0.1
HEARTBEAT_TIMEOUT = 4.0
"""Both in seconds, as Nav2's own nodes have them."""


class ManagerBond:
    """Says that a node is alive, from its activation to its deactivation.

    Without bondpy it does nothing, and says so when it is asked for.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._bond: Bond | None = None

    def form(self) -> None:
        """Begin; the manager takes part when it wants to."""
        if Bond is None:
            self._node.get_logger().info(
                "no bond with a lifecycle manager, for bondpy is not installed: "
                "a manager that expects one needs bond_timeout: 0.0"
            )
            return
        self._bond = Bond(self._node, TOPIC, self._node.get_name())
        self._bond.heartbeat_period = HEARTBEAT_PERIOD
        self._bond.heartbeat_timeout = HEARTBEAT_TIMEOUT
        self._bond.start()

    def dissolve(self) -> None:
        """End in an orderly way."""
        if self._bond:
            self._bond.shutdown()
            # Destroyed, but still the node's, whose executor would stumble over them.
            self._node.destroy_subscription(self._bond.sub)
            self._node.destroy_publisher(self._bond.pub)
        self._bond = None
