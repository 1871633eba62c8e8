"""_thread's own locks, and a base class that has them."""

import _thread


class Guarded:
    def __init__(self):
        self._mutex = _thread.allocate_lock()

    def __enter__(self):
        self._mutex.acquire()
        return self

    def __exit__(self, *error):
        self._mutex.release()


class Account(Guarded):
    def __init__(self, balance=0):
        super().__init__()
        self.balance = balance

    def deposit(self, amount):
        with self:
            self.balance += amount

    def withdraw(self, amount):
        with self:
            enough = self.balance >= amount
            self.balance -= amount * enough
        return enough

    def update(self, function):
        with self:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    done = source.withdraw(amount)
    if done:
        target.deposit(amount)
    return done


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
