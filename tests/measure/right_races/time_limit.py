"""Transfers wait for the second lock for a while, and begin again when it does not come."""

import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.lock = threading.RLock()

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
    while True:
        with source.lock:
            if target.lock.acquire(timeout=0.01):
                try:
                    if source.withdraw(amount):
                        target.deposit(amount)
                        return True
                    return False
                finally:
                    target.lock.release()


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
