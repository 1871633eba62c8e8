# fails: test_transfers_make_and_lose_no_money
# mistake: transfer checks the balance, and does not look at what withdraw answers
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
    if source.balance < amount:
        return False
    source.withdraw(amount)
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
