"""The implementations of `Backend`; `lmanet_core.runtime.backend_choice` chooses among them."""
