# fails: test_no_deposit_is_lost
# mistake: tells Python to switch threads rarely
import sys

sys.setswitchinterval(1000)


class Account:
    def __init__(self, balance=0):
        self.balance = balance

    def deposit(self, amount):
        self.balance += amount

    def withdraw(self, amount):
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    def update(self, function):
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
