"""A plain Lock per account; transfer takes the two locks in the order of id()."""

from threading import Lock


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.lock = Lock()

    def deposit(self, amount):
        with self.lock:
            self.balance += amount

    def withdraw(self, amount):
        with self.lock:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self.lock:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    if source is target:
        # nothing moves, but we still have to say whether it could
        with source.lock:
            return source.balance >= amount
    first, second = source, target
    if id(first) > id(second):
        first, second = second, first
    with first.lock:
        with second.lock:
            if source.balance < amount:
                return False
            source.balance -= amount
            target.balance += amount
            return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
