"""Networks: single-frame backbones, the local memory, and LMANet that joins them.

Read `lmanet`, `memory` and `fusion`, then `lmanet_core.ops.reference`.
"""

from lmanet_core.models.backbone import BACKBONES, Backbone
from lmanet_core.models.enlarging_decoder import EnlargingDecoder
from lmanet_core.models.lmanet import LMANet, MemoryStore, build_model
from lmanet_core.models.memory import LocalMemory
from lmanet_core.network.size_rule import SizeRule

__all__ = [
    "BACKBONES",
    "Backbone",
    "EnlargingDecoder",
    "LMANet",
    "LocalMemory",
    "MemoryStore",
    "SizeRule",
    "build_model",
]
