"""The command line program `lmanet`, one module per verb, see `lmanet_core.program.verb`."""
