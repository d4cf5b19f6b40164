"""The implementations of `Backend`; `lmanet_core.runtime.choice` chooses among them."""
