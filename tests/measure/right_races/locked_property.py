"""The balance is a property that takes the lock for reading and for writing; the lock can be taken again."""

import threading


class Account:
    def __init__(self, balance=0):
        self._lock = threading.RLock()
        self._money = balance

    @property
    def balance(self):
        with self._lock:
            return self._money

    @balance.setter
    def balance(self, value):
        with self._lock:
            self._money = value

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
