"""From what a check meets to the verdict that a student reads: every outcome, in fake sandboxes."""

from collections.abc import Callable
from typing import Any

import pytest

from autograder.errors import GraderError, SandboxError
from autograder.records import Kind, Outcome, Result, Verdict
from autograder.sandbox import Ending
from tests.fakes import FakeSandbox, Reply

Ask = Callable[..., Verdict]
Judge = Any

DOUBLE = 'assert 42 == submission.double(21), "Twice 21 is 42."'


def test_passed(verdict: Ask) -> None:
    """A check that ends quietly passes, with all its points and nothing to say."""
    seen = verdict(DOUBLE, {"double": lambda n: 2 * n})
    assert (Outcome.PASSED, 2.0, 2.0, "") == (seen.outcome, seen.score, seen.points, seen.message)
    assert ("test_it", "It works.", Kind.CORRECTNESS, False) == (seen.name, seen.title, seen.kind, seen.hidden)


def test_failed(verdict: Ask) -> None:
    """A check whose assertion fails costs its points, and says what its author wrote and nothing more."""
    seen = verdict(DOUBLE, {"double": lambda n: n})
    assert (Outcome.FAILED, 0.0, 2.0, "Twice 21 is 42.") == (seen.outcome, seen.score, seen.points, seen.message)


def test_failed_without_a_message(verdict: Ask) -> None:
    """An assertion without a message is told by its line."""
    seen = verdict("assert 42 == submission.double(21)", {"double": lambda n: n})
    assert "This should hold and does not: 42 == submission.double(21)" == seen.message


@pytest.mark.parametrize("way", ['fail("So.")', 'pytest.fail("So.")', 'raise AssertionError("So.")'])
def test_failed_on_purpose(verdict: Ask, way: str) -> None:
    """All ways to fail are one."""
    seen = verdict(way, {})
    assert (Outcome.FAILED, "So.") == (seen.outcome, seen.message)


def test_an_exception_of_the_student_fails(verdict: Ask) -> None:
    """What the student's function raises is a failed check with its name, text and place."""

    def double(_: int) -> int:
        raise ValueError("a reason")

    seen = verdict(DOUBLE, {"double": double})
    assert Outcome.FAILED is seen.outcome
    assert 'tiny.py raised ValueError: a reason\n  File "tiny.py", line 1, in double' == seen.message


def test_not_written_yet(verdict: Ask) -> None:
    """A stub is told that it is one, without a traceback."""

    def double(_: int) -> int:
        raise NotImplementedError("double")

    seen = verdict(DOUBLE, {"double": double})
    assert (Outcome.FAILED, "Not written yet: tiny.py raises NotImplementedError here.") == (seen.outcome, seen.message)


def test_a_missing_function_fails(verdict: Ask) -> None:
    """A function that is not there is named."""
    seen = verdict(DOUBLE, {})
    assert (Outcome.FAILED, "tiny.py has no function double()") == (seen.outcome, seen.message)


def test_what_is_no_plain_data_fails(verdict: Ask) -> None:
    """A value that cannot travel is a failed check that names the type."""
    seen = verdict(DOUBLE, {"double": Reply(ending=Ending.UNSENDABLE, message="it holds an object of type 'set'")})
    assert Outcome.FAILED is seen.outcome
    assert "it holds an object of type 'set'" in seen.message


def test_timeout(verdict: Ask) -> None:
    """A call out of time is an outcome of its own, which names the function and asks what it waits for."""
    seen = verdict(DOUBLE, {"double": Reply(ending=Ending.TIMEOUT, message="The call took longer than 2 s.")})
    assert (Outcome.TIMEOUT, 0.0) == (seen.outcome, seen.score)
    assert seen.message.startswith("double(): The call took longer than 2 s.\n")


def test_crashed(verdict: Ask) -> None:
    """A process that died is an outcome of its own, with its last words."""
    reply = Reply(ending=Ending.CRASHED, message="Killed by signal 11.", stderr="Fatal Python error\n")
    seen = verdict(DOUBLE, {"double": reply})
    assert Outcome.CRASHED is seen.outcome
    assert "double(): Killed by signal 11.\nIt had written: Fatal Python error" == seen.message


def test_an_import_that_fails_in_the_middle_has_crashed(verdict: Ask) -> None:
    """A module that could be imported a moment ago and now cannot has crashed, and says why."""
    reply = Reply(ending=Ending.IMPORT_FAILED, type="OSError", message="gone", traceback="line 3")
    seen = verdict(DOUBLE, {"double": reply})
    assert (Outcome.CRASHED, "tiny.py could not be imported: OSError: gone\nline 3") == (seen.outcome, seen.message)


def test_what_a_check_expects_to_be_raised_can_be_caught(verdict: Ask) -> None:
    """A check can ask for an exception, and look at its parts."""

    def double(_: int) -> int:
        raise KeyError("n")

    body = """\
with pytest.raises(SubmissionError) as caught:
    submission.double(21)
assert ("KeyError", "'n'") == (caught.value.type, caught.value.message), caught.value
seen = submission.observe("double", 21)
assert seen.error is not None and seen.error.type == "KeyError", "An observation does not raise."
"""
    assert Outcome.PASSED is verdict(body, {"double": double}).outcome


@pytest.mark.parametrize("way", ['cannot_measure("No GPU.")', 'pytest.skip("No GPU.")'])
def test_skipped_by_the_machine(verdict: Ask, way: str) -> None:
    """What this machine cannot measure is skipped, and says why."""
    seen = verdict(way, {})
    assert (Outcome.SKIPPED, 0.0, "No GPU.") == (seen.outcome, seen.score, seen.message)


@pytest.mark.parametrize("fault", ["1 / 0", "submission.double(21)[0]", "[][3]", "undefined_name", "object()()"])
def test_error(verdict: Ask, fault: str) -> None:
    """A check that breaks is the grader's fault: an outcome of its own, that says so and where it broke."""
    seen = verdict(fault, {"double": 42})
    assert (Outcome.ERROR, 0.0) == (seen.outcome, seen.score)
    assert seen.message.startswith("The grader failed here; this says nothing about the work.\n")
    assert fault in seen.message


NEEDS = '''
@pytest.mark.points(1)
def test_first(submission):
    """The first thing."""
    submission.first()

@pytest.mark.points(2)
@pytest.mark.needs("test_first")
def test_second(submission):
    """The second thing."""
    submission.second()

@pytest.mark.points(3)
@pytest.mark.needs("test_second")
def test_third(submission):
    """The third thing."""
    submission.third()

@pytest.mark.points(4)
def test_fourth(submission):
    """The fourth thing."""
    submission.fourth()
'''


def test_what_is_needed_comes_first(judge: Judge) -> None:
    """A check that needs a failed one is skipped, says which one in the student's words, and makes no call."""
    fake = FakeSandbox({"second": 1, "third": 1, "fourth": 1})
    result = judge(NEEDS, fake)
    outcomes = [Outcome.FAILED, Outcome.SKIPPED, Outcome.SKIPPED, Outcome.PASSED]
    assert outcomes == [seen.outcome for seen in result.checks]
    assert 'Not judged, because this has to work first: "The first thing.".' == result.checks[1].message
    assert 'Not judged, because this has to work first: "The second thing.".' == result.checks[2].message
    assert ["first", "fourth"] == fake.called()
    assert (4.0, 10.0) == (result.score, result.points)


def test_needs_that_are_met_change_nothing(judge: Judge) -> None:
    """Where all is well every check is judged, in the order in which it is written."""
    fake = FakeSandbox({"first": 1, "second": 1, "third": 1, "fourth": 1})
    assert 10.0 == judge(NEEDS, fake).score
    assert ["first", "second", "third", "fourth"] == fake.called()


def test_one_student_does_not_count_for_another(judge: Judge) -> None:
    """Needs are met or not by the same student's work; results come in the order of the students."""
    answers = iter([Reply(ending=Ending.CRASHED), Reply(1), Reply(1), Reply(1), Reply(1)])
    fake = FakeSandbox(dict.fromkeys(("first", "second", "third", "fourth"), lambda: next(answers)))
    result = judge(NEEDS, fake, students=("alice", "bob"))
    assert ["alice", "bob"] == [told.student for told in judge.told]
    assert Outcome.SKIPPED is judge.told[0].checks[1].outcome
    assert "bob" == result.student
    assert {Outcome.PASSED} == {seen.outcome for seen in result.checks[:3]}


UNSURE = 'measured["tries"] = submission.double(21)\nif measured["tries"] < {sure}: inconclusive("Cannot tell.")'


def _counter() -> Callable[[int], int]:
    calls: list[int] = []

    def double(n: int) -> int:
        calls.append(n)
        return len(calls)

    return double


def test_inconclusive_is_tried_once_more(verdict: Ask) -> None:
    """A check that cannot tell gets one more try, and the second answer counts."""
    seen = verdict(UNSURE.format(sure=2), {"double": _counter()}, fixtures="submission, measured")
    assert (Outcome.PASSED, 2.0, {"tries": 2}) == (seen.outcome, seen.score, seen.measured)


def test_inconclusive_is_not_tried_for_ever(verdict: Ask) -> None:
    """After the second try it stays inconclusive: no points, and a person should look."""
    seen = verdict(UNSURE.format(sure=99), {"double": _counter()}, fixtures="submission, measured")
    assert (Outcome.INCONCLUSIVE, 0.0, {"tries": 2}) == (seen.outcome, seen.score, seen.measured)
    assert "Cannot tell." == seen.message


def test_inconclusive_needs_no_figures(verdict: Ask) -> None:
    """A check that measures nothing can be inconclusive, too."""
    assert Outcome.INCONCLUSIVE is verdict('inconclusive("Cannot tell.")', {}).outcome


def test_a_failure_is_not_tried_again(verdict: Ask) -> None:
    """Only what could not be judged is judged again: luck has no second chance."""
    fake = FakeSandbox({"double": 0})
    assert Outcome.FAILED is verdict(DOUBLE, fake).outcome
    assert ["double"] == fake.called()


def test_a_sandbox_that_fails_is_replaced(verdict: Ask) -> None:
    """A fault of the sandbox costs nothing: the check is made again in a new one, and the old one is ended."""
    broken, fresh = FakeSandbox({"double": SandboxError("the zygote has ended")}), FakeSandbox({"double": 42})
    assert Outcome.PASSED is verdict(DOUBLE, broken, fresh).outcome
    assert [1, 1] == [broken.closed, fresh.closed]


def test_a_sandbox_that_fails_again_is_an_error(verdict: Ask) -> None:
    """When the new one fails too it is the grader's fault, and the student is not charged."""
    seen = verdict(DOUBLE, *[FakeSandbox({"double": SandboxError("the zygote has ended")}) for _ in range(2)])
    assert Outcome.ERROR is seen.outcome
    assert "the zygote has ended" in seen.message


PARAMETRIZED = '''
@pytest.mark.points(2)
def test_before(submission):
    """Something else."""

@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.points(8)
def test_each(submission, measured, n):
    """Each number."""
    measured[f"called with {n}"] = True
    assert 2 * n == submission.double(n), f"Twice {n} is {2 * n}."
'''


def test_a_parametrized_check_is_one_check(judge: Judge) -> None:
    """All its cases make one verdict with the points given once; the result is told when all are judged."""
    result = judge(PARAMETRIZED, {"double": lambda n: 2 * n}, students=("alice", "bob"))
    assert (["test_before", "test_each"], 10.0) == ([seen.name for seen in result.checks], result.score)
    assert {f"called with {n}": True for n in (1, 2, 3)} == result.checks[1].measured
    assert ["alice", "bob"] == [told.student for told in judge.told]


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_a_parametrized_check_passes_when_all_of_it_passes(judge: Judge, wrong: int) -> None:
    """One case that fails is enough, wherever it stands, and its message is the one that is told."""
    result = judge(PARAMETRIZED, {"double": lambda n: 2 * n if n != wrong else 0})
    assert (Outcome.FAILED, 2.0) == (result.checks[1].outcome, result.score)
    assert f"Twice {wrong} is {2 * wrong}." == result.checks[1].message


KINDS = '''
@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
def test_shown(submission):
    """A public one."""

### BEGIN HIDDEN TESTS
@pytest.mark.points(1.25)
@pytest.mark.kind("cleanup")
def test_kept(submission):
    """A hidden one."""
    fail("No.")
### END HIDDEN TESTS
'''


def test_a_verdict_says_what_the_check_says_of_itself(judge: Judge) -> None:
    """Kind, points and whether it is hidden stand in each verdict; points may be parts."""
    shown, kept = judge(KINDS, {}).checks
    assert (Kind.DETERMINISM, 0.5, 0.5, False) == (shown.kind, shown.score, shown.points, shown.hidden)
    assert (Kind.CLEANUP, 0.0, 1.25, True) == (kept.kind, kept.score, kept.points, kept.hidden)


def test_figures_are_plain(verdict: Ask) -> None:
    """Whatever a check measures stands in the verdict as numbers, texts and lists of numbers."""
    body = """\
import numpy as np
measured.update(a=1, b=0.5, c="text", d=True, e=np.float64(2.5), f=[1, 2], g=(0.5,), h=None)
"""
    seen = verdict(body, {}, fixtures="submission, measured")
    expected = {"a": 1, "b": 0.5, "c": "text", "d": True, "e": 2.5, "f": [1.0, 2.0], "g": [0.5], "h": "None"}
    assert expected == seen.measured


def _imported(judge: Judge, reply: Reply) -> Result:
    result: Result = judge(NEEDS, FakeSandbox({"first": 1}, imported=reply))
    return result


def test_a_failed_import_is_told_once(judge: Judge) -> None:
    """A submission that cannot be imported has all its checks crashed; the first has the traceback, the rest point to it."""
    result = _imported(judge, Reply(ending=Ending.IMPORT_FAILED, type="SyntaxError", message="bad", traceback="line 7"))
    assert {Outcome.CRASHED} == {seen.outcome for seen in result.checks}
    assert (0.0, 10.0) == (result.score, result.points)
    first, *rest = [seen.message for seen in result.checks]
    assert "tiny.py could not be imported, so nothing in it can be judged.\nSyntaxError: bad\nline 7" == first
    assert {"tiny.py could not be imported: see the first check."} == set(rest)


def test_a_module_that_dies_at_import_says_how(judge: Judge) -> None:
    """Neither does one that never comes to an end, or ends the process, get a call."""
    result = _imported(judge, Reply(ending=Ending.CRASHED, message="The process ended with exit status 0."))
    assert {Outcome.CRASHED} == {seen.outcome for seen in result.checks}
    assert "exit status 0" in result.checks[0].message
    assert [] == judge.sandboxes[0].called()


def test_a_check_file_that_cannot_be_loaded_is_a_fault(judge: Judge) -> None:
    """Checks that cannot be imported stop the grading with the reason; no student gets nothing for it."""
    with pytest.raises(GraderError, match="no_such_module"):
        judge("import no_such_module\n" + NEEDS, {})


def test_arguments_arrive_as_they_are(verdict: Ask) -> None:
    """What a check gives to the function arrives, and functions of the driver are named wherever they stand."""
    fake = FakeSandbox({"double": 1})
    verdict(
        'submission.double(1, [driver.square], {"f": (driver.square,)}, key=driver.square)',
        fake,
        fixtures="submission, driver",
    )
    (call,) = fake.calls
    named = [call.arguments[1][0], call.arguments[2]["f"][0], call.named["key"]]
    assert [("driver", "square")] * 3 == [(function.module, function.name) for function in named]
    assert 1 == call.arguments[0]


def test_the_submission_and_the_driver_are_told_apart(verdict: Ask) -> None:
    """A function of the driver is called in the driver's module, one of the submission in the submission's."""
    fake = FakeSandbox({"double": 42, "driver.double": 43})
    seen = verdict(
        'assert (42, 43) == (submission.double(1), driver.double(1)), "Mixed up."', fake, fixtures="submission, driver"
    )
    assert Outcome.PASSED is seen.outcome, seen.message
    assert ["tiny", "driver"] == [call.module for call in fake.calls]


def test_verdicts_are_told_as_they_are_found(judge: Judge) -> None:
    """Who watches hears of each check, in order, before the result is complete."""
    judge(NEEDS, {})
    assert ["test_first", "test_second", "test_third", "test_fourth"] == [seen.name for seen in judge.verdicts_told]


def test_a_stop_keeps_what_was_judged(judge: Judge) -> None:
    """Ctrl-C in the middle of a class is passed on, after the results before it have been told."""
    calls: list[int] = []

    def first() -> int:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return 1

    with pytest.raises(KeyboardInterrupt):
        judge(NEEDS, {"first": first, "second": 1, "third": 1, "fourth": 1}, students=("alice", "bob", "carol"))
    assert [("alice", 10.0)] == [(told.student, told.score) for told in judge.told]
    assert [1] == [sandbox.closed for sandbox in judge.sandboxes]
