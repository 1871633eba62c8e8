"""A generator-based context manager hands out the locked account for editing; debug logging tells what happens."""

import contextlib
import logging
import threading

log = logging.getLogger(__name__)


class InsufficientFunds(Exception):
    pass


class Account:
    def __init__(self, balance=0):
        self._lock = threading.Lock()
        self._balance = balance

    @contextlib.contextmanager
    def _editing(self):
        """Yields a one-item list with the balance; it is written back only if the body did not raise."""
        self._lock.acquire()
        try:
            draft = [self._balance]
            yield draft
            self._balance = draft[0]
        finally:
            self._lock.release()

    @property
    def balance(self):
        with self._lock:
            return self._balance

    def deposit(self, amount):
        with self._editing() as draft:
            draft[0] += amount
        log.debug("deposited %s", amount)

    def withdraw(self, amount):
        try:
            with self._editing() as draft:
                if draft[0] < amount:
                    raise InsufficientFunds(amount)
                draft[0] -= amount
        except InsufficientFunds:
            log.debug("refused to withdraw %s", amount)
            return False
        log.debug("withdrew %s", amount)
        return True

    def update(self, function):
        with self._editing() as draft:
            draft[0] = function(draft[0])
        return draft[0]


def transfer(source, target, amount):
    if source.withdraw(amount):
        target.deposit(amount)
        return True
    return False


def _increment(counter):
    with counter.get_lock():
        counter.value += 1


def add_many(counter, n):
    for _ in range(n):
        _increment(counter)
