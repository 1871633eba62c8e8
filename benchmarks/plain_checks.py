"""Checks of exercises 03 race and 05 cpu_bound as courses write them without this kit: repetition and a stopwatch.

They are what benchmarks/classroom.py has every tool run. A race is looked for by chance, in threads that take turns as
often as Python allows; a speedup is the best of two wall times. Each check notes in the file CLASSROOM_LOG, if there is
one, whose submission it was and how it ended, so that a tool which ran nothing is not taken for a quick one.
"""

import functools
import importlib
import multiprocessing
import os
import sys
import threading
import time

REPEAT = 5_000
PATIENCE = 3.0


def noted(check):
    """A check that leaves a line of what came of it."""

    @functools.wraps(check)
    def run():
        module = importlib.import_module("race" if check.__name__.startswith("race") else "cpu_bound")
        ended = "failed"
        try:
            check(module)
            ended = "passed"
        finally:
            if log := os.environ.get("CLASSROOM_LOG"):
                with open(log, "a") as file:
                    file.write(f"{module.STUDENT} {check.__name__} {ended}\n")

    del run.__wrapped__  # tools that read signatures must see no argument
    return run


def run_all(exercise):
    """All checks of an exercise with nothing around them; what a process then still has is given up."""
    for name in names(exercise):
        try:
            globals()[name]()
        except Exception as error:
            print(f"{name}: {error!r}")
    sys.stdout.flush()
    os._exit(0)


def names(exercise):
    """Of its checks."""
    return [name for name in globals() if name.startswith(f"{exercise}_")]


def together(*works):
    """Run functions in threads that take turns very often; all must end."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the threads wait for each other"
    finally:
        sys.setswitchinterval(before)


def often(call):
    """A function that calls `call` many times."""

    def work():
        for _ in range(REPEAT):
            call()

    return work


@noted
def race_one_thread(race):
    account, other = race.Account(100), race.Account()
    account.deposit(20)
    assert [account.withdraw(50), account.withdraw(71), account.balance] == [True, False, 70]
    assert account.update(lambda balance: 2 * balance) == 140
    assert [race.transfer(account, other, 141), race.transfer(account, other, 140)] == [False, True]
    assert [account.balance, other.balance] == [0, 140]


@noted
def race_deposits(race):
    account = race.Account()
    together(*[often(lambda: account.deposit(1))] * 2)
    assert account.balance == 2 * REPEAT


@noted
def race_withdrawals(race):
    account, answers = race.Account(REPEAT), []
    together(*[often(lambda: answers.append(account.withdraw(1)))] * 2)
    assert [sum(answers), account.balance] == [REPEAT, 0]


@noted
def race_updates(race):
    account = race.Account()
    together(*[often(lambda: account.update(lambda balance: balance + 1))] * 2)
    assert account.balance == 2 * REPEAT


@noted
def race_opposite_transfers(race):
    one, other = race.Account(REPEAT), race.Account(REPEAT)
    together(often(lambda: race.transfer(one, other, 1)), often(lambda: race.transfer(other, one, 1)))
    assert one.balance + other.balance == 2 * REPEAT


@noted
def race_counter(race):
    context = multiprocessing.get_context("fork")
    counter = context.Value("q")
    workers = [context.Process(target=race.add_many, args=(counter, REPEAT)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counter.value == 2 * REPEAT


@noted
def race_side_by_side(race):
    accounts = race.Account(), race.Account()
    begin = time.perf_counter()
    together(*(lambda one=one: one.update(lambda balance: time.sleep(0.2) or balance) for one in accounts))
    assert time.perf_counter() - begin < 0.35


def work(item):
    """Some arithmetic; its cost is the item."""
    total = 0
    for number in range(item):
        total += number * number % 7
    return total


def fails(item):
    if item in (3, 36):
        raise ValueError(f"item {item}")
    return item


def speedup(cpu_bound, items):
    """The best of two, against the plain loop."""
    best = 0.0
    for _ in range(2):
        begin = time.perf_counter()
        expected = [work(item) for item in items]
        middle = time.perf_counter()
        assert cpu_bound.parallel_map(work, items, 2) == expected
        best = max(best, (middle - begin) / (time.perf_counter() - middle))
    return best


@noted
def cpu_bound_order(cpu_bound):
    items = [5_000 * (number % 3) for number in range(37)]
    assert cpu_bound.parallel_map(work, items, 3) == [work(item) for item in items]


@noted
def cpu_bound_first_failure(cpu_bound):
    raised = ""
    try:
        cpu_bound.parallel_map(fails, list(range(40)), 3)
    except ValueError as error:
        raised = str(error)
    assert raised == "item 3"


@noted
def cpu_bound_nothing_left(cpu_bound):
    assert cpu_bound.parallel_map(work, [], 2) == []
    assert multiprocessing.active_children() == []


@noted
def cpu_bound_even(cpu_bound):
    assert speedup(cpu_bound, [40_000] * 72) > 1.2


@noted
def cpu_bound_uneven(cpu_bound):
    assert speedup(cpu_bound, [400 * number for number in range(120)]) > 1.2
