# fails: test_no_deposit_is_lost
# mistake: an event in place of a lock: waited for and cleared in two steps
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._free = threading.Event()
        self._free.set()

    def deposit(self, amount):
        self._take()
        self.balance += amount
        self._free.set()

    def withdraw(self, amount):
        self._take()
        enough = self.balance >= amount
        if enough:
            self.balance -= amount
        self._free.set()
        return enough

    def update(self, function):
        self._take()
        try:
            self.balance = function(self.balance)
            return self.balance
        finally:
            self._free.set()

    def _take(self):
        self._free.wait()
        self._free.clear()


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
