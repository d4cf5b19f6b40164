"""Training in stages: everything that `training/train.py` and `training/reproduce.py` do.

Needs the packages of the extra `train`.
"""
