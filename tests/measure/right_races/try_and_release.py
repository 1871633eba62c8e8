"""Transfers try for the second lock, and let go of the first where they do not get it."""

import random
import threading
import time


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.lock = threading.RLock()

    def deposit(self, amount):
        with self.lock:
            self.balance += amount

    def withdraw(self, amount):
        with self.lock:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self.lock:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    while True:
        with source.lock:
            if target.lock.acquire(blocking=False):
                try:
                    if not source.withdraw(amount):
                        return False
                    target.deposit(amount)
                    return True
                finally:
                    target.lock.release()
        time.sleep(random.uniform(0.0001, 0.001))


def add_many(counter, n):
    for _ in range(n):
        while not counter.get_lock().acquire(False):
            time.sleep(0.0001)
        counter.value += 1
        counter.get_lock().release()
