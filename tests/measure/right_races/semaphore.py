"""A Semaphore of one, ordered by id."""

import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._free = threading.Semaphore(1)

    def deposit(self, amount):
        with self._free:
            self.balance += amount

    def withdraw(self, amount):
        self._free.acquire()
        enough = self.balance >= amount
        if enough:
            self.balance -= amount
        self._free.release()
        return enough

    def update(self, function):
        with self._free:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    if source is target:
        return source.balance >= amount
    a, b = sorted([source, target], key=id)
    with a._free, b._free:
        enough = source.balance >= amount
        if enough:
            source.balance -= amount
            target.balance += amount
        return enough


def add_many(counter, n):
    for _ in range(n):
        counter.acquire()
        counter.get_obj().value += 1
        counter.release()
