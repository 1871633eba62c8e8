"""A condition on which nobody ever waits: it serves as a lock."""

import contextlib
import threading


@contextlib.contextmanager
def both(one, other):
    first, second = (one, other) if id(one) <= id(other) else (other, one)
    with first.condition:
        with second.condition:
            yield


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.condition = threading.Condition()

    def deposit(self, amount):
        with self.condition:
            self.balance += amount

    def withdraw(self, amount):
        with self.condition:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self.condition:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    with both(source, target):
        done = source.withdraw(amount)
        if done:
            target.deposit(amount)
        return done


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
