"""Waits for somebody to type."""


def double(n):
    return int(input())
