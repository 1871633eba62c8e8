"""Raises an exception whose text never ends being made."""


class Endless(Exception):
    def __str__(self):
        while True:
            pass


def double(n):
    raise Endless
