"""Java style: a @synchronized decorator on the methods, and a small class that holds several accounts at once."""

import functools
import threading


def synchronized(method):
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        self._monitor.acquire()
        try:
            return method(self, *args, **kwargs)
        finally:
            self._monitor.release()

    return wrapper


class holding:
    """`with holding(a, b):` owns the monitors of all, each once, always in the same order."""

    __slots__ = ("_monitors",)

    def __init__(self, *accounts):
        unique = {id(account): account for account in accounts}
        self._monitors = [unique[key]._monitor for key in sorted(unique)]

    def __enter__(self):
        for monitor in self._monitors:
            monitor.acquire()
        return self

    def __exit__(self, *exc_info):
        for monitor in reversed(self._monitors):
            monitor.release()
        return False


class Account:
    def __init__(self, balance=0):
        self._monitor = threading.RLock()
        self._money = balance

    balance = property(synchronized(lambda self: self._money))

    @synchronized
    def deposit(self, amount):
        self._money += amount

    @synchronized
    def withdraw(self, amount):
        if self._money < amount:
            return False
        self._money -= amount
        return True

    @synchronized
    def update(self, function):
        new = function(self._money)
        self._money = new
        return new


def transfer(source, target, amount):
    with holding(source, target):
        if not source.withdraw(amount):
            return False
        target.deposit(amount)
        return True


def add_many(counter, n):
    lock = counter.get_lock()

    def locked(action):
        def run():
            with lock:
                action()

        return run

    @locked
    def add_one():
        counter.value += 1

    for _ in range(n):
        add_one()
