"""The locks live outside the accounts, in a WeakKeyDictionary that has a guard of its own (held for the look-up only)."""

import itertools
import threading
import weakref

_guard = threading.Lock()
_locks = weakref.WeakKeyDictionary()


def _lock_of(account):
    with _guard:
        lock = _locks.get(account)
        if lock is None:
            lock = _locks[account] = threading.Lock()
        return lock


class Account:
    def __init__(self, balance=0):
        self._balance = balance

    @property
    def balance(self):
        with _lock_of(self):
            return self._balance

    def deposit(self, amount):
        with _lock_of(self):
            self._balance += amount

    def withdraw(self, amount):
        with _lock_of(self):
            if self._balance >= amount:
                self._balance -= amount
                return True
        return False

    def update(self, function):
        with _lock_of(self):
            self._balance = new = function(self._balance)
        return new


def _with_all(accounts, action):
    """Recursion: takes the lock of the first account, then the rest, then acts."""
    if not accounts:
        return action()
    head, *tail = accounts
    with _lock_of(head):
        return _with_all(tail, action)


def transfer(source, target, amount):
    def move():
        if source._balance < amount:
            return False
        source._balance -= amount
        target._balance += amount
        return True

    return _with_all(sorted({source, target}, key=id), move)


def add_many(counter, n):
    for _ in itertools.repeat(None, n):
        with counter.get_lock():
            counter.value += 1
