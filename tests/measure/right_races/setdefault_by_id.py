"""Locks in a dictionary of the module, by the account's id: setdefault is one step."""

import threading

LOCKS = {}


def lock_of(account):
    return LOCKS.setdefault(id(account), threading.RLock())


class Account:
    def __init__(self, balance=0):
        self.balance = balance

    def deposit(self, amount):
        with lock_of(self):
            self.balance += amount

    def withdraw(self, amount):
        with lock_of(self):
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with lock_of(self):
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    for account in (pair := sorted([source, target], key=id)):
        lock_of(account).acquire()
    try:
        return source.withdraw(amount) and target.deposit(amount) is None
    finally:
        for account in reversed(pair):
            lock_of(account).release()


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
