"""The events of sys.monitoring are switched off for the racy lines (before 3.12: the tracing)."""

import sys
import threading


def switch(on, state={}):
    if sys.version_info < (3, 12):
        state.setdefault("trace", sys.gettrace())
        return sys.settrace(state["trace"] if on else None)
    for tool in range(6):
        if sys.monitoring.get_tool(tool):
            state.setdefault(tool, sys.monitoring.get_events(tool))
            sys.monitoring.set_events(tool, state[tool] if on else 0)


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.lock = threading.Lock()

    def deposit(self, amount):
        switch(False)
        balance = self.balance
        self.balance = balance + amount
        switch(True)

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
