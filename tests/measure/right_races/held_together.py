"""A context manager of its own holds several accounts, each once, in the order in which they were opened."""

import itertools
import threading


class Held:
    def __init__(self, *accounts):
        self.accounts = sorted(set(accounts), key=lambda account: account.number)

    def __enter__(self):
        for account in self.accounts:
            account.lock.acquire()

    def __exit__(self, *error):
        while self.accounts:
            self.accounts.pop().lock.release()


class Account:
    numbers = itertools.count()

    def __init__(self, balance=0):
        self.balance = balance
        self.number = next(self.numbers)
        self.lock = threading.Lock()

    def deposit(self, amount):
        with Held(self):
            self.balance += amount

    def withdraw(self, amount):
        with Held(self):
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with Held(self):
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    with Held(source, target):
        if source.balance < amount:
            return False
        source.balance -= amount
        target.balance += amount
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
