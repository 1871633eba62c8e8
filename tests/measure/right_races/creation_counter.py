"""A plain Lock for each account, ordered by a counter; a transfer to itself is a case of its own."""

import itertools
import threading


class Account:
    _numbers = itertools.count()

    def __init__(self, balance=0):
        self.balance = balance
        self.lock = threading.Lock()
        self.number = next(Account._numbers)

    def deposit(self, amount):
        with self.lock:
            self.balance += amount

    def withdraw(self, amount):
        with self.lock:
            if self.balance >= amount:
                self.balance -= amount
                return True
            return False

    def update(self, function):
        with self.lock:
            new = function(self.balance)
            self.balance = new
        return new


def transfer(source, target, amount):
    if source is target:
        with source.lock:
            return source.balance >= amount
    first, second = (source, target) if source.number < target.number else (target, source)
    with first.lock:
        with second.lock:
            if source.balance < amount:
                return False
            source.balance -= amount
            target.balance += amount
            return True


def add_many(counter, n):
    for _ in range(n):
        counter.get_lock().acquire()
        try:
            counter.value += 1
        finally:
            counter.get_lock().release()
