"""The balance is a multiprocessing.Value with its own lock."""

import multiprocessing


class Account:
    def __init__(self, balance=0):
        self._balance = multiprocessing.Value("q", balance)

    @property
    def balance(self):
        return self._balance.value

    def deposit(self, amount):
        with self._balance.get_lock():
            self._balance.value += amount

    def withdraw(self, amount):
        with self._balance.get_lock():
            if self._balance.value < amount:
                return False
            self._balance.value -= amount
            return True

    def update(self, function):
        with self._balance.get_lock():
            self._balance.value = function(self._balance.value)
            return self._balance.value


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
