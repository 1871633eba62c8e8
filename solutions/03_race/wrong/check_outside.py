# fails: test_nobody_withdraws_what_is_not_there
# mistake: checks outside the lock, acts inside
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = threading.RLock()

    def deposit(self, amount):
        with self._lock:
            self.balance += amount

    def withdraw(self, amount):
        if self.balance < amount:
            return False
        with self._lock:
            self.balance -= amount
        return True

    def update(self, function):
        with self._lock:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    first, second = sorted((source, target), key=id)
    with first._lock, second._lock:
        if not source.withdraw(amount):
            return False
        target.deposit(amount)
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
