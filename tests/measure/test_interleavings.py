"""What the explorer finds in students' code, and what it does not let itself be told. It runs in the sandbox, as always."""

import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.measure import races
from autograder.measure.races import Finding, Judgement
from autograder.records import Limits
from autograder.sandbox import Call, Ending, ZygoteSandbox

HERE = Path(__file__).parent
EXERCISE = HERE.parent.parent / "solutions" / "03_race"
RIGHT = sorted((HERE / "right_races").glob("*.py"))
HOSTILE = sorted((HERE.parent / "hostile" / "races").glob("*.py"))

#: Explores what its arguments say, as text: calls of a student's module on what ``made`` makes.
DRIVER = """
from autograder.measure import interleavings


def scenario(made, calls, seen, allowed, *, challenge):
    return interleavings.explore(
        "student",
        [
            interleavings.Case(
                calls=tuple(calls),
                setup=eval(f"lambda student: ({made},)"),
                workers=tuple(eval(f"lambda student, it: {call}") for call in calls),
                outcome=eval(f"lambda results, it: {{'end': {seen}}}"),
                allowed=tuple({"end": end} for end in allowed),
            )
        ],
        challenge,
    )
"""

COUNTER = """
import threading

class Counter:
    def __init__(self):
        self.value = 0
        self.lock = threading.Lock()

    def racy(self):
        value = self.value
        self.value = value + 1

    def locked(self):
        with self.lock:
            self.value += 1
"""

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ZygoteSandbox]:
    """A sandbox with the explorer in it."""
    with ZygoteSandbox(("frontrun", "autograder.measure.interleavings"), {"FRONTRUN_ACTIVE": "1"}) as box:
        yield box


@pytest.fixture
def report(sandbox: ZygoteSandbox) -> Run:
    """The explorer's report on calls of a module with this source."""

    def run(source: str, *calls: str, made: str = "student.Counter()", seen: str = "it.value", allowed: Any) -> Any:
        files = {"student.py": textwrap.dedent(source).encode(), "driver.py": DRIVER.encode()}
        return _called(sandbox, files, "scenario", made, list(calls), seen, list(allowed), challenge="10")

    return run


@pytest.fixture
def case(report: Run) -> Run:
    """The report on the only case, of an explorer that is in order."""

    def run(source: str, *calls: str, **options: Any) -> Any:
        whole = report(source, *calls, **options)
        assert whole["canaries"] == "10"
        assert whole["findings"] == []
        return whole["cases"][0]

    return run


@pytest.fixture
def judged(sandbox: ZygoteSandbox) -> Callable[[str, str], Judgement]:
    """The judgement on a whole solution of the exercise at one of its scenarios."""

    def run(source: str, scenario: str) -> Judgement:
        files = {"race.py": source.encode(), "driver.py": (EXERCISE / "driver.py").read_bytes()}
        return races.explore(lambda **named: _called(sandbox, files, scenario, **named), source)

    return run


class EndedError(Exception):
    """The process gave no answer."""


def _called(sandbox: ZygoteSandbox, files: dict[str, bytes], function: str, *arguments: object, **named: object) -> Any:
    limits = Limits(wall_seconds=60.0)
    call = Call(files=files, module="driver", function=function, arguments=arguments, named=named, limits=limits)
    outcome = sandbox.run(call)
    if outcome.ending is not Ending.VALUE:
        raise EndedError(outcome.message, outcome.traceback)
    return outcome.value


# -- what it finds


def test_a_lost_update_is_found(case: Run) -> None:
    """Reading and writing without a lock: the report has the wrong end, and the lines of both threads in their order."""
    seen = case(COUNTER, "it.racy()", "it.racy()", allowed=[2])
    assert seen["verdict"] == "broken"
    assert seen["outcome"] == {"end": 1}
    assert not seen["alone"]
    assert seen["lines"] == [[0, 10, ""], [1, 10, ""], [1, 11, ""], [0, 11, ""]]


def test_locked_code_holds(case: Run) -> None:
    """With a lock it holds; more than one order was tried, the lines were seen, and without its lock it breaks."""
    seen = case(COUNTER, "it.locked()", "it.locked()", allowed=[2])
    assert seen["verdict"] == "holds"
    assert seen["executions"] > 2
    assert [15, "Counter.locked"] in seen["covered"]
    assert seen["proof"]


def test_the_same_code_has_the_same_report(report: Run) -> None:
    """Nothing in a report is chance: not whether a race is found, not how it is shown."""
    first, *others = [report(COUNTER, "it.racy()", "it.locked()", allowed=[2]) for _ in range(4)]
    assert first["cases"][0]["verdict"] == "broken"
    assert all(other == first for other in others)


def test_one_line_is_more_than_one_step(case: Run) -> None:
    """``+=`` is reading and writing: a switch comes between them, though they stand in one line."""
    source = """
        class Counter:
            value = 0
            def add(self):
                self.value += 1
    """
    seen = case(source, "it.add()", "it.add()", allowed=[2])
    assert seen["verdict"] == "broken"
    assert [line for _, line, _ in seen["lines"]] == [5, 5, 5]


@pytest.mark.parametrize(
    "body",
    [
        "box['n'] = box['n'] + 1",
        "box.update(n=box.get('n') + 1)",
        "setattr(it, 'n', getattr(it, 'n') + 1)",
        "it.__dict__['n'] += 1",
        "it.n = sum([it.n, 1])",
        "globals()['total'] = total + 1",
    ],
)
def test_state_of_every_kind_is_watched(case: Run, body: str) -> None:
    """Attributes, dictionaries, globals, by statement or by call: an update can be lost on each of them."""
    source = f"""
        total = 0
        class Box(dict):
            pass
        class It:
            def __init__(self):
                global total
                total = self.n = 0
                self.box = Box(n=0)
            def add(self):
                it, box = self, self.box
                {body}
            def end(self):
                return max(self.n, self.box['n'], total)
    """
    assert (
        case(source, "it.add()", "it.add()", made="student.It()", seen="it.end()", allowed=[2])["verdict"] == "broken"
    )


def test_a_deadlock_is_found_at_once(case: Run) -> None:
    """Locks in opposite orders: who holds and awaits which lock, in which line."""
    source = """
        import threading
        class Pair:
            def __init__(self):
                self.a, self.b = threading.Lock(), threading.Lock()
        def take(first, second):
            with first:
                with second:
                    pass
    """
    calls = ("student.take(it.a, it.b)", "student.take(it.b, it.a)")
    seen = case(source, *calls, made="student.Pair()", seen="0", allowed=[0])
    assert seen["verdict"] == "deadlock"
    assert {(thread, line) for thread, line, _ in seen["waits"]} == {(0, 8), (1, 8)}
    assert {(thread, line) for thread, line, _ in seen["holds"]} == {(0, 7), (1, 7)}
    assert {number for _, _, number in seen["waits"]} == {number for _, _, number in seen["holds"]}
    assert seen["callers"] == [[0, []], [1, []]]


def test_a_lock_taken_twice_is_a_deadlock(case: Run) -> None:
    """A thread that waits for itself waits for ever."""
    source = """
        import threading
        class Counter:
            value = 0
            def __init__(self):
                self.lock = threading.Lock()
            def add(self):
                with self.lock, self.lock:
                    self.value += 1
    """
    assert case(source, "it.add()", allowed=[1])["verdict"] == "deadlock"


def test_a_lock_that_is_kept_is_found(case: Run) -> None:
    """All threads have ended and a lock is held: told with the line in which it was taken, without hanging."""
    source = """
        import threading
        class Counter:
            def __init__(self):
                self._value, self.lock = 0, threading.Lock()
            @property
            def value(self):
                with self.lock:
                    return self._value
            def keep(self):
                self.lock.acquire()
    """
    seen = case(source, "it.keep()", allowed=[0])
    assert seen["verdict"] == "held"
    assert [line for _, line, _ in seen["holds"]] == [11]


def test_threads_that_never_end_are_given_up(case: Run) -> None:
    """A wait for what nobody does ends after so many steps, and is no holding."""
    source = """
        class Counter:
            value = 0
            def wait(self):
                while self.value == 0:
                    pass
    """
    assert case(source, "it.wait()", "it.wait()", allowed=[0])["verdict"] == "endless"


def test_waiting_outside_its_reach_is_undecided(case: Run) -> None:
    """A thread that waits for a pipe cannot be steered: neither right nor wrong."""
    source = """
        import os
        class Counter:
            value = 0
            def __init__(self):
                self.reader, self.writer = os.pipe()
            def wait(self):
                os.read(self.reader, 1)
    """
    assert case(source, "it.wait()", allowed=[0])["verdict"] == "undecided"


def test_threads_of_its_own_are_undecided(case: Run) -> None:
    """Code that runs in threads that it starts itself is not seen, and so not called right."""
    source = """
        import threading
        class Counter:
            value = 0
            def add(self):
                thread = threading.Thread(target=self.really)
                thread.start()
                thread.join()
            def really(self):
                self.value += 1
    """
    assert case(source, "it.add()", "it.add()", allowed=[2])["verdict"] == "undecided"


def test_two_switches_are_tried(case: Run) -> None:
    """A lock that is made when first needed: it takes two switches to see that two can be made."""
    source = """
        import threading
        class Counter:
            value, made = 0, None
            def add(self):
                if self.made is None:
                    self.made = threading.Lock()
                with self.made:
                    self.value += 1
    """
    assert case(source, "it.add()", "it.add()", allowed=[2])["verdict"] == "broken"


def test_a_time_limit_can_pass_at_any_moment(case: Run) -> None:
    """Who waits for a lock for a while and goes on without it is found, without waiting."""
    source = """
        import threading
        class Counter:
            def __init__(self):
                self.value, self.lock = 0, threading.Lock()
            def add(self):
                held = self.lock.acquire(timeout=3600)
                self.value += 1
                if held:
                    self.lock.release()
    """
    assert case(source, "it.add()", "it.add()", allowed=[2])["verdict"] == "broken"


def test_a_wrong_end_without_a_switch_is_told_apart(case: Run) -> None:
    """What is wrong already when the threads run one after the other is said to be so."""
    assert case(COUNTER, "it.locked()", "it.locked()", allowed=[3])["alone"]


def test_an_exception_is_an_outcome(case: Run) -> None:
    """What a worker raises is its answer, as text."""
    seen = case(COUNTER, "it.value.nothing()", seen="results", allowed=[[0]])
    assert seen["outcome"]["end"] == ["raised AttributeError: 'int' object has no attribute 'nothing'"]


def test_a_value_with_an_opinion_is_text(case: Run) -> None:
    """A result that says that it equals everything is not asked."""
    source = """
        class Counter:
            class value(int):
                __eq__ = lambda self, other: True
            value = value(7)
    """
    seen = case(source, "0", allowed=[2])
    assert seen["verdict"] == "broken"
    assert seen["outcome"] == {"end": "an object of type value"}


# -- whole solutions


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_right_solutions_hold(judged: Callable[[str, str], Judgement], path: Path) -> None:
    """Many ways to write it: not one of them is called wrong, or in doubt."""
    for scenario in ("deposits", "withdrawals", "updates", "opposite_transfers", "counting"):
        judgement = judged(path.read_text(), scenario)
        assert judgement.finding is Finding.HOLDS, f"{scenario}: {judgement.text}"


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_whoever_hides_a_race_gets_nothing(judged: Callable[[str, str], Judgement], path: Path) -> None:
    """Every attack that we thought of: a racy deposit is never said to hold."""
    try:
        judgement = judged(path.read_text(), "deposits")
    except EndedError:
        return
    assert judgement.finding is not Finding.HOLDS


def test_every_explored_mistake_is_found(judged: Callable[[str, str], Judgement]) -> None:
    """Every known wrong solution whose check is explored breaks there."""
    checks = (EXERCISE / "test_race.py").read_text()
    scenarios = dict(re.findall(r"def (test_\w+)\(explore\):\n.*\n    explore\(\"(\w+)\"\)", checks))
    assert len(scenarios) > 8
    for path in sorted((EXERCISE / "wrong").glob("*.py")):
        source = path.read_text()
        scenario = scenarios.get(source.split("\n")[0].removeprefix("# fails: "))
        if scenario is not None:
            assert judged(source, scenario).finding is Finding.BROKEN, path.name
