"""As try_and_release, without a pause between the tries."""

from threading import Lock


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = Lock()

    def deposit(self, amount):
        self._lock.acquire()
        try:
            self.balance += amount
        finally:
            self._lock.release()

    def withdraw(self, amount):
        self._lock.acquire()
        try:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True
        finally:
            self._lock.release()

    def update(self, function):
        self._lock.acquire()
        try:
            self.balance = function(self.balance)
            return self.balance
        finally:
            self._lock.release()


def transfer(source, target, amount):
    if source is target:
        with source._lock:
            return source.balance >= amount
    while True:
        source._lock.acquire()
        if target._lock.acquire(False):
            break
        source._lock.release()
    try:
        if source.balance < amount:
            return False
        source.balance -= amount
        target.balance += amount
        return True
    finally:
        target._lock.release()
        source._lock.release()


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
