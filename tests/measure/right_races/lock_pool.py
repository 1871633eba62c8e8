"""64 locks for all accounts; an account has one of them by its number."""

import itertools
import threading

_LOCKS = [threading.RLock() for _ in range(64)]
_numbers = itertools.count()


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.slot = next(_numbers) % len(_LOCKS)

    def deposit(self, amount):
        with _LOCKS[self.slot]:
            self.balance += amount

    def withdraw(self, amount):
        with _LOCKS[self.slot]:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with _LOCKS[self.slot]:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    first, second = sorted([source.slot, target.slot])
    with _LOCKS[first], _LOCKS[second]:
        return source.withdraw(amount) and (target.deposit(amount) or True)


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
