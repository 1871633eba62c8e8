"""Never comes to the end of its import."""

while True:
    pass


def double(n):
    return 2 * n
