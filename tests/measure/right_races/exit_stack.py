"""contextlib.ExitStack over the locks of the accounts, each once."""

import contextlib
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._mutex = threading.Lock()

    def deposit(self, amount):
        with self._mutex:
            self.balance += amount

    def withdraw(self, amount):
        with self._mutex:
            return self._take(amount)

    def _take(self, amount):
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    def update(self, function):
        with self._mutex:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    with contextlib.ExitStack() as stack:
        for account in sorted({source, target}, key=id):
            stack.enter_context(account._mutex)
        if not source._take(amount):
            return False
        target.balance += amount
        return True


def add_many(counter, n):
    done = 0
    while done < n:
        with counter.get_lock():
            counter.value += 1
        done += 1
