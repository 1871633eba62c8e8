"""An account is what was booked on it; the balance is the sum."""

import threading


class Account:
    def __init__(self, balance=0):
        self._entries = [balance]
        self._lock = threading.Lock()

    @property
    def balance(self):
        with self._lock:
            return sum(self._entries)

    def _book(self, amount):
        self._entries.append(amount)

    def deposit(self, amount):
        with self._lock:
            self._book(amount)

    def withdraw(self, amount):
        with self._lock:
            if sum(self._entries) < amount:
                return False
            self._book(-amount)
            return True

    def update(self, function):
        with self._lock:
            before = sum(self._entries)
            after = function(before)
            self._book(after - before)
            return after


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
