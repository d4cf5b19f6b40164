"""The command line program `lmanet`, one module per verb."""
