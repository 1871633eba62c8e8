"""Returns a function, which might run where it is read."""


def double(n):
    return lambda: 2 * n
