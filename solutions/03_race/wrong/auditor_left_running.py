# fails: test_nothing_is_left_behind
# mistake: every account starts a thread that never ends
import threading
import time


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = threading.RLock()
        threading.Thread(target=self._audit, daemon=True).start()

    def _audit(self):
        while True:
            time.sleep(0.05)
            with self._lock:
                assert self.balance >= 0

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
        if not source.withdraw(amount):
            return False
        target.deposit(amount)
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
