"""A BoundedSemaphore(1) per account and one private method through which every signed change goes."""

import threading


class Account:
    __slots__ = ("_balance", "_permit")

    def __init__(self, balance=0):
        self._balance = balance
        self._permit = threading.BoundedSemaphore(1)

    @property
    def balance(self):
        return self._balance  # one read of one reference

    def _change(self, delta):
        with self._permit:
            changed = self._balance + delta
            if changed < 0:
                return False
            self._balance = changed
            return True

    def deposit(self, amount):
        self._change(+amount)

    def withdraw(self, amount):
        return self._change(-amount)

    def update(self, function):
        with self._permit:
            result = self._balance = function(self._balance)
        return result


def transfer(source, target, amount):
    moved = source.withdraw(amount)
    if moved:
        target.deposit(amount)
    return moved


def add_many(counter, n):
    for _ in range(n):
        with counter:  # a Synchronized object is its own context manager
            counter.value += 1
