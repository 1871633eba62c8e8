# fails: test_opposite_transfers_end
# mistake: takes the semaphores in the order of the arguments
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = threading.Semaphore(1)

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
    if source is target:
        return source.balance >= amount
    with source._lock, target._lock:
        if source.balance < amount:
            return False
        source.balance -= amount
        target.balance += amount
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
