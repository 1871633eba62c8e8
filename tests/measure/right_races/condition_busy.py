"""A Condition and a flag: whoever wants the account waits until nobody is busy with it."""

import threading


class Account:
    def __init__(self, balance=0):
        self._balance = balance
        self._condition = threading.Condition()
        self._busy = False

    def _enter(self):
        with self._condition:
            while self._busy:
                self._condition.wait()
            self._busy = True

    def _leave(self):
        with self._condition:
            self._busy = False
            self._condition.notify_all()

    @property
    def balance(self):
        self._enter()
        try:
            return self._balance
        finally:
            self._leave()

    def deposit(self, amount):
        self._enter()
        try:
            self._balance += amount
        finally:
            self._leave()

    def withdraw(self, amount):
        self._enter()
        try:
            if self._balance < amount:
                return False
            self._balance -= amount
            return True
        finally:
            self._leave()

    def update(self, function):
        self._enter()
        try:
            self._balance = function(self._balance)
            return self._balance
        finally:
            self._leave()


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    with counter.get_lock():
        for _ in range(n):
            counter.value += 1
