"""Raises an exception with a text of 50 MB."""


def double(n):
    raise ValueError("x" * 50_000_000)
