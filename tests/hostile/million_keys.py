"""Returns a dictionary of a million keys, and hopes that somebody prints it."""


def double(n):
    return dict.fromkeys(range(1_000_000), 2 * n)
