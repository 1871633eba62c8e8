# fails: test_no_deposit_is_lost
# mistake: a barrier in place of a lock: it keeps nobody out
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._gate = threading.Barrier(1)

    def deposit(self, amount):
        self._gate.wait()
        self.balance += amount

    def withdraw(self, amount):
        self._gate.wait()
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    def update(self, function):
        self._gate.wait()
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
