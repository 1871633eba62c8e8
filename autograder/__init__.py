"""Graded exercises on parallel programming and distributed training, judged by measurement."""

__version__ = "0.1.0"
