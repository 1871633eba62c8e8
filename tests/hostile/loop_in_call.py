"""Never comes to the end of its call."""


def double(n):
    while True:
        pass
