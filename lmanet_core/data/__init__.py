"""Data sets: the synthetic street and the training clips cut from it."""
