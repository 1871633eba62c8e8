# fails: test_transfers_make_and_lose_no_money
# mistake: checks under both locks, and moves the money when it has given them back
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = threading.Lock()

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
    first, second = sorted((source, target), key=id)
    with first._lock, second._lock:
        enough = source.balance >= amount
    if enough:
        source.balance -= amount
        target.balance += amount
    return enough


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
