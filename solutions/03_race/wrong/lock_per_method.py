# fails: test_nobody_withdraws_what_is_not_there
# mistake: a decorator makes a lock for each method, not for each account
import functools
import threading


def locked(method):
    lock = threading.RLock()

    @functools.wraps(method)
    def guarded(*arguments):
        with lock:
            return method(*arguments)

    return guarded


class Account:
    def __init__(self, balance=0):
        self.balance = balance

    @locked
    def deposit(self, amount):
        self.balance += amount

    @locked
    def withdraw(self, amount):
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    @locked
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
