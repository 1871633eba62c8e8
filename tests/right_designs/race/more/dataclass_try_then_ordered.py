"""A dataclass with its Lock; transfer first tries the second lock without waiting and falls back to ordered locking."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Callable


@dataclass(eq=False, slots=True)
class Account:
    balance: int = 0
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False)

    def deposit(self, amount: int) -> None:
        with self._lock:
            self.balance += amount

    def withdraw(self, amount: int) -> bool:
        with self._lock:
            return self._take(amount)

    def update(self, function: Callable[[int], int]) -> int:
        with self._lock:
            new = function(self.balance)
            self.balance = new
        return new

    def _take(self, amount: int) -> bool:
        """Only with the lock held."""
        if amount > self.balance:
            return False
        self.balance -= amount
        return True


def _lock_both(one: Account, other: Account) -> None:
    one._lock.acquire()
    if other._lock.acquire(blocking=False):
        return
    # Contended. Waiting for the other while holding the first could deadlock, so
    # let go and take both in the one order that everybody falls back to.
    one._lock.release()
    for account in sorted((one, other), key=id):
        account._lock.acquire()


def transfer(source: Account, target: Account, amount: int) -> bool:
    if source is target:
        with source._lock:
            return amount <= source.balance
    _lock_both(source, target)
    try:
        if not source._take(amount):
            return False
        target.balance += amount
        return True
    finally:
        target._lock.release()
        source._lock.release()


CHUNK = 100


def add_many(counter: Any, n: int) -> None:
    """Adds one n times; the lock is given up after every CHUNK so that others get their turn."""
    while n > 0:
        now = min(n, CHUNK)
        with counter.get_lock():
            for _ in range(now):
                counter.value += 1
        n -= now
