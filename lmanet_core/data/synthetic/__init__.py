"""A procedural street: video with exact labels in the 19 Cityscapes classes."""

from lmanet_core.data.synthetic.street_config import StreetConfig
from lmanet_core.data.synthetic.street_video import StreetFrame, StreetVideo

__all__ = ["StreetConfig", "StreetFrame", "StreetVideo"]
