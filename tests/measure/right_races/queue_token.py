"""A queue with one token: who has the token may touch the account."""

import queue


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.token = queue.Queue(1)
        self.token.put("token")

    def deposit(self, amount):
        token = self.token.get()
        self.balance += amount
        self.token.put(token)

    def withdraw(self, amount):
        token = self.token.get()
        try:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True
        finally:
            self.token.put(token)

    def update(self, function):
        token = self.token.get()
        try:
            self.balance = function(self.balance)
            return self.balance
        finally:
            self.token.put(token)


def transfer(source, target, amount):
    if source.withdraw(amount):
        target.deposit(amount)
        return True
    return False


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
