"""The racy code claims to stand in a file of frontrun's."""

import threading

import frontrun

SOURCE = """
def hidden(account, amount):
    balance = account.balance
    account.balance = balance + amount
"""
exec(compile(SOURCE, frontrun.__file__, "exec"))


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.lock = threading.Lock()

    def deposit(self, amount):
        with self.lock:
            pass
        hidden(self, amount)

    def withdraw(self, amount):
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    def update(self, function):
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
