# fails: test_transfers_make_and_lose_no_money
# mistake: holds the lock of the source only, and changes the target too
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = threading.RLock()

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
    with source._lock:
        if source.balance < amount:
            return False
        source.balance -= amount
        target.balance += amount
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
