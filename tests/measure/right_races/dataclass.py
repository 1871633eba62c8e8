"""A dataclass, whose __init__ stands in no file, with a lock from a factory."""

import threading
from dataclasses import dataclass, field


@dataclass(eq=False)
class Account:
    balance: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def deposit(self, amount):
        with self._lock:
            self.balance += amount

    def withdraw(self, amount):
        with self._lock:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self._lock:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
