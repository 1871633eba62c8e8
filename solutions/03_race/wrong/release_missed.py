# fails: test_a_function_that_raises
# mistake: does not give the lock back when function raises
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
        self._lock.acquire()
        self.balance = function(self.balance)
        result = self.balance
        self._lock.release()
        return result


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
