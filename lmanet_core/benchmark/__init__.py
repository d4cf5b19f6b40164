"""Benchmarks, run as `python -m lmanet_core.benchmark NAME`; ratios of things timed together."""
