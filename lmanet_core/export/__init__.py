"""Exported networks: ONNX files and TensorRT engines. Needs the extra `export`."""

from lmanet_core.export.onnx_file import export_onnx

__all__ = ["export_onnx"]
