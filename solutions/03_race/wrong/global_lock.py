# fails: test_accounts_do_not_wait_for_each_other
# mistake: one lock for all accounts
import threading

_lock = threading.RLock()


class Account:
    def __init__(self, balance=0):
        self.balance = balance

    def deposit(self, amount):
        with _lock:
            self.balance += amount

    def withdraw(self, amount):
        with _lock:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with _lock:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    with _lock:
        if not source.withdraw(amount):
            return False
        target.deposit(amount)
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
