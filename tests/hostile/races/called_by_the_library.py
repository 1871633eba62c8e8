"""Code without a file is called by the library, where nobody traces it."""

import contextlib
import threading

exec("""
def hidden(account, amount):
    balance = account.balance
    account.balance = balance + amount
""")


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.lock = threading.Lock()

    def deposit(self, amount):
        with contextlib.ExitStack() as stack:
            stack.callback(hidden, self, amount)

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
