"""Checkpoints that others published, turned into models of this library."""

from lmanet_core.conversion.converter import Conversion, ConversionError, convert
from lmanet_core.conversion.state_dict import read_state_dict

__all__ = ["Conversion", "ConversionError", "convert", "read_state_dict"]
