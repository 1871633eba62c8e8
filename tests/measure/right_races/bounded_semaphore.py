"""A BoundedSemaphore, and a balance behind a property that asks for it too."""

from threading import BoundedSemaphore


class Account:
    __slots__ = ("_balance", "_gate")

    def __init__(self, balance=0):
        self._balance = balance
        self._gate = BoundedSemaphore()

    @property
    def balance(self):
        with self._gate:
            return self._balance

    def deposit(self, amount):
        with self._gate:
            self._balance = self._balance + amount

    def withdraw(self, amount):
        with self._gate:
            left = self._balance - amount
            if left < 0:
                return False
            self._balance = left
        return True

    def update(self, function):
        with self._gate:
            self._balance = result = function(self._balance)
        return result


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    lock = counter.get_lock()
    for _ in range(n):
        with lock:
            counter.value = counter.value + 1
