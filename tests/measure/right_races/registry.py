"""Locks in a dictionary of the class, looked up under a lock of its own that is held for the look-up only."""

import threading
from threading import RLock
from typing import ClassVar


class Account:
    _locks: ClassVar[dict] = {}
    _guard = threading.Lock()
    _count = 0

    def __init__(self, balance=0):
        self.balance = balance
        with Account._guard:
            Account._count += 1
            self.key = Account._count

    def _lock(self):
        with Account._guard:
            if self.key not in Account._locks:
                Account._locks[self.key] = RLock()
            return Account._locks[self.key]

    def deposit(self, amount):
        with self._lock():
            self.balance += amount

    def withdraw(self, amount):
        with self._lock():
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self._lock():
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    low, high = sorted((source, target), key=lambda account: account.key)
    with low._lock():
        with high._lock():
            if source.withdraw(amount):
                target.deposit(amount)
                return True
            return False


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
