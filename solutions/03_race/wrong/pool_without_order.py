# fails: test_opposite_transfers_end
# mistake: takes locks of a pool in the order of the arguments
import itertools
import threading

POOL = [threading.RLock() for _ in range(64)]
NUMBERS = itertools.count()


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = POOL[next(NUMBERS) % len(POOL)]

    def deposit(self, amount):
        with self._lock:
            self.balance += amount

    def withdraw(self, amount):
        with self._lock:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self._lock:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    with source._lock, target._lock:
        if not source.withdraw(amount):
            return False
        target.deposit(amount)
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
