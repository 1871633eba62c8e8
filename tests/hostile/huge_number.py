"""Returns a number that Python refuses to print."""


def double(n):
    return 10**100_000
