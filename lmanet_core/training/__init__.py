"""Training in stages: what `lmanet train` and `lmanet reproduce` do.

Needs the packages of the extra `train`.
"""
