"""Checks of exercise 01, processes."""

import random

import pytest

from autograder.checks import SubmissionTimeoutError, assert_clean, expect_type, fail


def rows_of(seen, n):
    """The rows that identify returned, compared with what the grader saw from outside."""
    rows = expect_type(seen.value, list[tuple[int, int, int, int]], "a list of (rank, pid, ppid, pgid)")
    assert len(rows) == n, f"identify({n}) returned {len(rows)} rows; one per child is asked for, so {n}."
    ranks = [row[0] for row in rows]
    # Their order has a check of its own, in which it is no matter of chance.
    assert sorted(ranks) == list(range(n)), f"The rows should be of ranks 0 to {n - 1}, and are of ranks {ranks}."
    outside = {process.pid: process for process in seen.processes}
    for rank, pid, ppid, pgid in rows:
        assert pid != seen.caller, (
            f"Rank {rank} reported pid {pid}, which is the process that called identify. "
            "Threads share their process and its pid; a child process has its own."
        )
        assert pid in outside, f"Rank {rank} reported pid {pid}, but the call started no such process."
        parents = (ppid, outside[pid].ppid)
        assert parents == (seen.caller, seen.caller), (
            f"Rank {rank} reported {ppid} as its parent; from outside its parent was seen to be {outside[pid].ppid}. "
            f"Both should be {seen.caller}, the process that called identify. Who starts this child, and who asks?"
        )
        assert pgid == outside[pid].pgid, (
            f"Rank {rank} reported process group {pgid}; from outside it was seen in group {outside[pid].pgid}."
        )
    pids = [row[1] for row in rows]
    assert len(set(pids)) == n, f"{n} children should have {n} different pids, and these were reported: {pids}."
    return rows


def all_alive(seen, n):
    """Whether all n children were alive at one moment, as the grader saw from outside."""
    rows_of(seen, n)
    assert seen.peak_processes >= n, (
        f"The caller was made slow: it started the next child only when the last one had ended or was waiting for "
        f"something. Then at most {seen.peak_processes} of {n} children were alive at the same moment. "
        "What makes sure, whatever the timing, that no child ends before the last one has reported?"
    )


def outcomes_of(value, n):
    """The list of (word, detail) that run_all returned."""
    outcomes = expect_type(
        value, list[tuple[str, object]], 'a list of ("ok", value), ("error", text) or ("died", exitcode)'
    )
    assert len(outcomes) == n, f"run_all returned {len(outcomes)} outcomes for {n} arguments; one each is asked for."
    return outcomes


def without_hanging(call, why):
    """What the call returns; a hang is explained."""
    try:
        return call()
    except SubmissionTimeoutError as timeout:
        fail(f"{why}\n{timeout}")


def compare(cases, outcomes):
    """Compare outcomes, naming the worker that each belongs to. `cases` are (what the worker does, outcome)."""
    if sorted(repr(expected) for _, expected in cases) == sorted(map(repr, outcomes)):
        return  # their order has a check of its own, in which it is no matter of chance
    for rank, ((what, expected), actual) in enumerate(zip(cases, outcomes, strict=True)):
        assert repr(expected) == repr(actual), (
            f"Worker {rank} of {len(cases)} was told: {what}. Its outcome should be {expected!r}, and it was {actual!r}."
        )


@pytest.mark.points(0.75)
def test_identify_reports_every_child(driver, measured):
    """Each child reports its own rank, pid, parent and process group."""
    seen = driver.observe("identify_slowly", 3, "fork", 0.15)
    rows_of(seen, 3)
    measured["processes"] = len(seen.processes)


@pytest.mark.points(1)
@pytest.mark.needs("test_identify_reports_every_child")
def test_all_children_are_alive_at_the_same_time(driver, measured):
    """At one moment all children are alive together, also when the caller is slow."""
    seen = driver.observe("identify_slowly", 4, "fork", 0.3)
    measured["alive at once"] = seen.peak_processes
    all_alive(seen, 4)


@pytest.mark.points(0.75)
def test_both_start_methods_work(driver):
    """spawn and fork both work, and start_method decides which is used."""
    rows_of(driver.observe("identify_slowly", 2, None, 0.15), 2)  # spawn, where nothing is said
    seen = expect_type(driver.how_they_start(), dict[str, object], "what was seen")
    for method, own, forks in (
        ("spawn", "as imported", "no fork"),
        ("fork", "changed by the caller", "a fork per child"),
    ):
        counted = seen[f"forks of identify, {method}"]
        assert (counted == 0) if method == "spawn" else (counted >= 2), (
            f'identify(2, "{method}") forked the caller {counted} times; {method} means {forks}.'
        )
        outcomes = outcomes_of(seen[f"workers of run_all, {method}"], 2)
        assert [("ok", own)] * 2 == outcomes, (
            f'With start_method="{method}", a variable that the caller had changed should be {own!r} in a worker of '
            f"run_all; the outcomes were {outcomes}.\nA forked worker has a copy of the caller's memory, a spawned "
            "one is a new Python that imports what it needs. Which of the two did start these workers?"
        )


@pytest.mark.points(1)
def test_run_all_starts_all_before_it_waits(driver, measured):
    """run_all has all its processes started before it waits for the first."""
    seen = driver.observe("run_all_meeting", 4, "fork")
    outcomes = outcomes_of(seen.value, 4)
    details = [detail for word, detail in outcomes if word == "ok"]
    assert len(details) == 4, f"All four workers return a value, so four times 'ok' was expected: {outcomes}."
    details = expect_type(details, list[tuple[int, int, int]], "what the workers returned, unchanged")
    pids = {pid for pid, _, _ in details}
    assert seen.caller not in pids, "A worker ran in the process that called run_all: that is a thread, not a process."
    measured["workers that met"] = max(came for _, _, came in details)
    assert all(came == 4 for _, _, came in details), (
        "Four workers each waited until all four were there, and they never were: "
        f"they saw {[came for _, _, came in details]} workers.\n"
        "What is the caller doing while the first worker waits for the second to be started?"
    )
    assert len(pids) == 4, f"One process per argument is asked for; four workers ran in {len(pids)} processes."
    assert pids <= {process.pid for process in seen.processes}, (
        "Workers reported pids of processes that were never seen."
    )


@pytest.mark.points(1)
def test_every_end_is_reported(submission, driver):
    """Values, exceptions and deaths are each reported, and none hides another."""
    cases = [
        ("return a value", ("ok", "value of return")),
        ("raise ValueError('the message')", ("error", "ValueError: the message")),
        ("os._exit(3)", ("died", 3)),
        ("be killed by signal 9", ("died", -9)),
        ("sys.exit(3)", ("died", 3)),
        ("return a value, after all these", ("ok", "value of last")),
    ]
    told = ["return", "raise", "_exit 3", "signal 9", "sys.exit 3", "last"]
    outcomes = without_hanging(
        lambda: submission.run_all(driver.end_as_told, told, start_method="fork"),
        "run_all did not return. Some of its workers died without an answer (os._exit, signal 9, sys.exit).\n"
        "What does the caller wait for then, and would it ever come?",
    )
    compare(cases, outcomes_of(outcomes, len(cases)))


@pytest.mark.points(0.75)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_identify_reports_every_child", "test_run_all_starts_all_before_it_waits")
def test_the_order_is_not_that_of_arrival(driver):
    """The order of the results does not depend on who answers first."""
    ranks = [row[0] for row in rows_of(driver.observe("identify_in_reverse", 3), 3)]
    assert ranks == [0, 1, 2], (
        f"The children were made to report from the last to the first, and the rows came in the order of ranks {ranks}.\n"
        "Rank order is asked for, whoever answers first."
    )
    outcomes = outcomes_of(driver.run_all_in_reverse(4, "fork"), 4)
    assert [("ok", f"answer {rank}") for rank in range(4)] == outcomes, (
        f"The last worker was made to answer first, and the outcomes came as {outcomes}.\n"
        "Outcomes belong in the order of the arguments. How does the caller know whose answer it has just read?"
    )


@pytest.mark.points(0.75)
def test_large_values_come_back(driver):
    """Values of 20 MB come back from several workers at once."""
    seeds = [random.getrandbits(32) for _ in range(3)]
    expected = [("ok", text) for text in driver.expected_digests("bytes", seeds)]
    outcomes = without_hanging(
        lambda: driver.run_all_large("bytes", seeds, "fork"),
        "run_all did not return when each of three workers had 20 MB to send back.\n"
        "A pipe holds some 64 KB: a worker with more to say ends only when someone has read it. Who waits for whom here?",
    )
    assert sorted(expected) == sorted(outcomes_of(outcomes, 3), key=repr), (
        f"Three workers each returned 20 MB of bytes, and the outcomes were not those values: {outcomes!r:.300}"
    )


@pytest.mark.points(1)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_identify_reports_every_child")
def test_nothing_is_left_behind(submission, driver):
    """Every process has ended and was waited for when the call returns."""
    told = ["return", "raise", "last"]
    for seen, n in (
        (driver.observe("identify_slowly", 3, "fork", 0.15), 3),
        (submission.observe("run_all", driver.end_as_told, told, "fork"), len(told)),
    ):
        value = expect_type(seen.value, list[object], "a list")
        assert len(value) == n, f"{len(value)} results came back in place of {n}, so this cannot be judged: {value}."
        assert_clean(seen)


### BEGIN HIDDEN TESTS
@pytest.mark.points(0.5)
@pytest.mark.needs("test_all_children_are_alive_at_the_same_time", "test_both_start_methods_work")
def test_all_children_are_alive_in_other_cases(driver):
    """All children are alive together: more of them, spawned ones, and a single one."""
    all_alive(driver.observe("identify_slowly", 6, "fork", 0.25), 6)
    all_alive(driver.observe("identify_slowly", 3, "spawn", 0.3), 3)
    rows_of(driver.observe("identify_slowly", 1, "spawn", 0.15), 1)


@pytest.mark.points(0.5)
@pytest.mark.needs("test_every_end_is_reported", "test_both_start_methods_work")
def test_every_end_is_reported_by_spawned_workers(submission, driver):
    """Spawned workers' ends are reported too, also the quiet ones."""
    cases = [
        ("os._exit(0)", ("died", 0)),
        ("raise KeyError('step')", ("error", "KeyError: 'step'")),
        ("be killed by signal 15", ("died", -15)),
        ("divide by zero", ("error", "ZeroDivisionError: integer division or modulo by zero")),
        ("return a value", ("ok", "value of return")),
        ("sys.exit(7)", ("died", 7)),
    ]
    told = ["_exit 0", "key", "signal 15", "division", "return", "sys.exit 7"]
    seen = without_hanging(
        lambda: submission.observe("run_all", driver.end_as_told, told, start_method="spawn"),
        "run_all did not return when spawned workers ended without an answer (one of them with exit code 0).",
    )
    compare(cases, outcomes_of(seen.value, len(cases)))
    assert_clean(seen)


@pytest.mark.points(0.5)
@pytest.mark.needs("test_every_end_is_reported")
def test_what_cannot_be_sent_is_an_error(submission, driver):
    """A value or an exception that cannot be pickled is an error, not a hang."""
    told = ["lock", "good", "lambda", "raised", "deep inside", "good too"]
    for method in ("fork", "spawn"):
        outcomes = without_hanging(
            lambda method=method: submission.run_all(driver.unsendable, told, start_method=method),
            "run_all did not return when workers had values that cannot be pickled (a lock, a lambda).\n"
            "In which process, and in which thread of it, does the pickling fail, and who hears of it?",
        )
        outcomes = outcomes_of(outcomes, len(told))
        good = sorted(detail for word, detail in outcomes if word == "ok" and isinstance(detail, str))
        assert good == ["good", "good too"], (
            f"Two of {len(told)} workers return text, and the others what cannot be pickled. These outcomes came: {outcomes}."
        )
        bad = [detail for word, detail in outcomes if word == "error" and isinstance(detail, str)]
        assert len(bad) == len(told) - 2, (
            f"A value that cannot be pickled should be an ('error', text), here {len(told) - 2} times: {outcomes}."
        )
        assert any("HoldsALockError" in text and "the message" in text for text in bad), (
            f"A worker raised HoldsALockError('the message'), which cannot be pickled. The errors reported were {bad}."
        )


@pytest.mark.points(0.5)
@pytest.mark.needs("test_run_all_starts_all_before_it_waits", "test_every_end_is_reported")
def test_one_is_killed_while_others_work(driver):
    """A worker killed at once is reported, and the others may take their time."""
    outcomes = without_hanging(
        lambda: driver.run_all_one_killed(3, "fork"),
        "run_all did not return when one worker was killed while the others still worked.",
    )
    cases = [
        ("work for 2.5 s after the death of another", ("ok", "value of 0")),
        ("be killed by signal 9 at once", ("died", -9)),
        ("work for 2.5 s after the death of another", ("ok", "value of 2")),
    ]
    compare(cases, outcomes_of(outcomes, 3))


@pytest.mark.points(0.5)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_run_all_starts_all_before_it_waits")
def test_a_failed_start_ends_the_earlier_ones(driver):
    """When a process cannot be started, the earlier ones are ended and the error is raised."""
    for function, method in (("run_all", "fork"), ("run_all", "spawn"), ("identify", "fork")):
        seen = without_hanging(
            lambda function=function, method=method: driver.observe("at_the_limit", function, 4, 2, method),
            f"{function} did not come back when its third process could not be started. The two earlier ones had long "
            "to go: nobody waits for their results any more. What should become of them?",
        )
        assert seen.error is not None, (
            f'{function}(..., "{method}") returned {seen.value!r:.200} although its third process could not be started.'
        )
        # As it was raised, or as what caused another one.
        text = f"{seen.error.message}\n{seen.error.traceback}"
        assert "Resource temporarily unavailable" in text, (
            f"The third process could not be started (BlockingIOError: Resource temporarily unavailable), and {function} "
            f"raised something else: {seen.error}."
        )
        # Not the segments: an exception on its way keeps its frames, and the semaphores of queues that were in them.
        left = [*seen.leftovers.processes, *seen.leftovers.threads, *seen.leftovers.files]
        assert not left, (
            f"When {function} had raised, because its third process could not be started, these were left: {left}.\n"
            "The two earlier processes had been started. Who ends them, and waits for their end?"
        )


@pytest.mark.points(0.5)
def test_unusual_values_and_small_cases(submission, driver):
    """No argument, one argument, long lists, and values that look like outcomes."""
    assert submission.run_all(driver.same, [], "fork") == [], "run_all without arguments should return []."
    values = [None, False, 0, "", ("died", 3), ("error", "ValueError: no"), [], {"a": (1, 2)}]
    outcomes = outcomes_of(submission.run_all(driver.same, values, "fork"), len(values))
    compare([(f"return {value!r}", ("ok", value)) for value in values], outcomes)
    seeds = [random.getrandbits(32) for _ in range(2)]
    expected = [("ok", text) for text in driver.expected_digests("list", seeds)]
    outcomes = outcomes_of(driver.run_all_large("list", seeds, "spawn"), 2)
    assert sorted(expected) == sorted(outcomes, key=repr), (
        f"Two workers each returned 300,000 numbers, and they came back as {outcomes!r:.300}"
    )


### END HIDDEN TESTS
