"""Exported networks: network files, ONNX files, TensorRT engines. Needs the extra `export`."""

from lmanet_core.export.onnx_file import export_onnx
from lmanet_core.export.split import can_take_any_size, export_network
from lmanet_core.export.tensorrt_engine import EngineOptions, build_engine

__all__ = ["EngineOptions", "build_engine", "can_take_any_size", "export_network", "export_onnx"]
