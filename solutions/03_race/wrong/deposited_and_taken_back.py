# fails: test_others_see_only_what_may_be
# mistake: deposits before it knows whether there is enough, and takes it back
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
    first, second = sorted((source, target), key=id)
    with first._lock, second._lock:
        target.deposit(amount)
        if source.withdraw(amount):
            return True
        target.withdraw(amount)
        return False


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
