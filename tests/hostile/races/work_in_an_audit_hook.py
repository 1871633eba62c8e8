"""The racy code is an audit hook: Python does not trace those."""

import sys
import threading


def hook(event, arguments):
    if event == "deposit":
        account, amount = arguments
        balance = account.balance
        account.balance = balance + amount


sys.addaudithook(hook)


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.lock = threading.Lock()

    def deposit(self, amount):
        sys.audit("deposit", self, amount)

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
