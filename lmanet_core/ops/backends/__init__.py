"""Implementations of local attention; `lmanet_core.ops.functional` chooses among them."""
