# fails: test_no_deposit_is_lost
# mistake: sleeps a little in place of a lock
import time


class Account:
    def __init__(self, balance=0):
        self.balance = balance

    def deposit(self, amount):
        time.sleep(0.001)
        self.balance += amount

    def withdraw(self, amount):
        time.sleep(0.001)
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    def update(self, function):
        time.sleep(0.001)
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
