"""All balances in one dictionary of the module, a lock for each account beside it."""

import itertools
from threading import RLock

balances = {}
locks = {}
numbers = itertools.count()


class Account:
    def __init__(self, balance=0):
        self.key = next(numbers)
        balances[self.key] = balance
        locks[self.key] = RLock()

    @property
    def balance(self):
        return balances[self.key]

    def deposit(self, amount):
        with locks[self.key]:
            balances[self.key] += amount

    def withdraw(self, amount):
        with locks[self.key]:
            if balances[self.key] < amount:
                return False
            balances[self.key] -= amount
            return True

    def update(self, function):
        with locks[self.key]:
            balances[self.key] = function(balances[self.key])
            return balances[self.key]


def transfer(source, target, amount):
    keys = sorted((source.key, target.key))
    with locks[keys[0]], locks[keys[1]]:
        if source.withdraw(amount):
            target.deposit(amount)
            return True
    return False


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
