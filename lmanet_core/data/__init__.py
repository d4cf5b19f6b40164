"""Data sets of videos, and the training clips made of them."""
