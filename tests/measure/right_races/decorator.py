"""A decorator that takes the account's lock; a dataclass."""

import functools
import threading
from dataclasses import dataclass, field


def synchronized(method):
    @functools.wraps(method)
    def locked(self, *arguments):
        with self.lock:
            return method(self, *arguments)

    return locked


@dataclass(eq=False)
class Account:
    balance: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @synchronized
    def deposit(self, amount):
        self.balance += amount

    @synchronized
    def withdraw(self, amount):
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    @synchronized
    def update(self, function):
        self.balance = function(self.balance)
        return self.balance


def transfer(source, target, amount):
    if source.withdraw(amount):
        target.deposit(amount)
        return True
    return False


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
