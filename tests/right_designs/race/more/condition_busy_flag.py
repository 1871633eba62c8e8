"""A monitor: a Condition guards a busy flag, and the owner of the flag works outside the Condition's own lock."""

import threading


class Account:
    def __init__(self, balance=0):
        self._balance = balance
        self._busy = False
        self._free = threading.Condition(threading.Lock())

    def _enter(self):
        with self._free:
            self._free.wait_for(lambda: not self._busy)
            self._busy = True

    def _leave(self):
        with self._free:
            self._busy = False
            self._free.notify()

    @property
    def balance(self):
        self._enter()
        try:
            return self._balance
        finally:
            self._leave()

    def deposit(self, amount):
        self._enter()
        try:
            self._balance = self._balance + amount
        finally:
            self._leave()

    def withdraw(self, amount):
        self._enter()
        try:
            enough = self._balance >= amount
            if enough:
                self._balance = self._balance - amount
            return enough
        finally:
            self._leave()

    def update(self, function):
        self._enter()
        try:
            new = function(self._balance)
            self._balance = new
            return new
        finally:
            self._leave()


def transfer(source, target, amount):
    # never inside two accounts at once, so there is nothing to deadlock on
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    lock = counter.get_lock()
    while n > 0:
        lock.acquire()
        try:
            counter.value = counter.value + 1
        finally:
            lock.release()
        n -= 1
