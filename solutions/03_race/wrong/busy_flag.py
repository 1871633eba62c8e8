# fails: test_no_deposit_is_lost
# mistake: a flag in place of a lock: looked at and set in two steps
import time


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._busy = False

    def __enter__(self):
        while self._busy:
            time.sleep(0.001)
        self._busy = True

    def __exit__(self, *error):
        self._busy = False

    def deposit(self, amount):
        with self:
            self.balance += amount

    def withdraw(self, amount):
        with self:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self:
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
