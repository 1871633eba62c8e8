"""A LifoQueue with one token, as a context manager; transfers take both tokens, ordered."""

import contextlib
from queue import LifoQueue


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._tokens = LifoQueue()
        self._tokens.put_nowait(None)

    @contextlib.contextmanager
    def alone(self):
        self._tokens.get()
        try:
            yield
        finally:
            self._tokens.put(None)

    def deposit(self, amount):
        with self.alone():
            self.balance += amount

    def withdraw(self, amount):
        with self.alone():
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self.alone():
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    if source is target:
        with source.alone():
            return source.balance >= amount
    with contextlib.ExitStack() as stack:
        for account in sorted({source, target}, key=id):
            stack.enter_context(account.alone())
        if source.balance < amount:
            return False
        source.balance -= amount
        target.balance += amount
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
