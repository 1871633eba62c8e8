"""Tickets: a Condition's wait_for lets the threads in one after the other, in the order in which they came."""

from threading import Condition


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._turn = Condition()
        self._next = 0
        self._serving = 0

    def __enter__(self):
        with self._turn:
            mine = self._next
            self._next += 1
            self._turn.wait_for(lambda: self._serving == mine)

    def __exit__(self, *error):
        with self._turn:
            self._serving += 1
            self._turn.notify_all()

    def deposit(self, amount):
        with self:
            self.balance += amount

    def withdraw(self, amount):
        with self:
            if amount > self.balance:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    if source.withdraw(amount):
        target.deposit(amount)
        return True
    return False


def add_many(counter, n):
    with counter:
        counter.value += n
