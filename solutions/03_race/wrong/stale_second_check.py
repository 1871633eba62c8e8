# fails: test_nobody_withdraws_what_is_not_there
# mistake: checks again inside the lock, and writes what it had computed outside
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = threading.Lock()

    def deposit(self, amount):
        with self._lock:
            self.balance += amount

    def withdraw(self, amount):
        left = self.balance - amount
        if left < 0:
            return False
        with self._lock:
            if self.balance < amount:
                return False
            self.balance = left
            return True

    def update(self, function):
        with self._lock:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
