# fails: test_a_function_that_raises
# mistake: stays busy when function raises
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._busy = False

    def deposit(self, amount):
        with self._idle:
            while self._busy:
                self._idle.wait()
            self.balance += amount

    def withdraw(self, amount):
        with self._idle:
            while self._busy:
                self._idle.wait()
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self._idle:
            while self._busy:
                self._idle.wait()
            self._busy = True
        self.balance = result = function(self.balance)
        with self._idle:
            self._busy = False
            self._idle.notify_all()
        return result


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
