"""An RLock and a serial number per account; transfer enters both locks through an ExitStack and calls the ordinary methods."""

import contextlib
import itertools
import threading

_serials = itertools.count()


class Account:
    def __init__(self, balance=0):
        self._serial = next(_serials)
        self._mutex = threading.RLock()
        self._balance = balance

    @property
    def balance(self):
        with self._mutex:
            return self._balance

    def deposit(self, amount):
        self.update(lambda balance: balance + amount)

    def withdraw(self, amount):
        with self._mutex:
            if self.balance >= amount:  # reentrant on purpose
                self.update(lambda balance: balance - amount)
                return True
            return False

    def update(self, function):
        with self._mutex:
            new = function(self._balance)
            self._balance = new
            return new


def transfer(source, target, amount):
    with contextlib.ExitStack() as stack:
        for account in sorted({source, target}, key=lambda account: account._serial):
            stack.enter_context(account._mutex)
        done = source.withdraw(amount)
        if done:
            target.deposit(amount)
        return done


def add_many(counter, n):
    # hold the lock for the whole loop: taking it n times is the expensive part
    with counter.get_lock():
        for _ in range(n):
            counter.value += 1
