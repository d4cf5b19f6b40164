"""Networks: single-frame backbones, the local memory, and LMANet that joins them."""

from lmanet_core.models.backbone import BACKBONES, Backbone
from lmanet_core.models.lmanet import LMANet, MemoryStore, build_model
from lmanet_core.models.memory import LocalMemory

__all__ = ["BACKBONES", "Backbone", "LMANet", "LocalMemory", "MemoryStore", "build_model"]
