"""Returns more than anybody wants to read."""


def double(n):
    return bytes(64 * 1024 * 1024)
