"""Returns what overflows the stack of whoever reads it."""


def double(n):
    value = ()
    for _ in range(500):
        value = (value,)
    return value
