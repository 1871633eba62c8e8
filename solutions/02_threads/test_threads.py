"""Checks of exercise 02, threads."""

import random
from dataclasses import dataclass

import pytest

from autograder.checks import SubmissionTimeoutError, assert_clean, expect_type, fail, fingerprint

#: Share of what max_workers calls at once can give that is asked for.
NEEDED = 0.8


@dataclass
class Directed:
    """What came of pages that come one by one when they are told to."""

    pages: object
    raised: str
    running: int
    most: int
    stall: tuple[int, int] | None


@dataclass
class Twice:
    """What two calls of fetch_all returned, and how often fetch was called for each url."""

    first: list[int]
    second: list[int]
    calls: list[int]


def names(n, milliseconds):
    """Urls that nobody knows before; each says for how long its page is to be waited for."""
    return [f"https://example.org/{random.getrandbits(40):010x}/{index}/{milliseconds}" for index in range(n)]


def pages_of(value, urls):
    """The list that fetch_all returned: the right pages, in any order, which has checks of its own."""
    pages = expect_type(value, list[str], "a list of pages")
    assert sorted(pages) == sorted(f"page of {url}" for url in urls), (
        f"fetch_all returned {len(pages)} pages for {len(urls)} urls, and they are not those that fetch gave."
    )
    return pages


def directed(driver, *arguments, **named):
    """A run of pages that come one by one when they are told to, and what was seen of it."""
    try:
        return expect_type(driver.directed(*arguments, **named), Directed, "what the pages saw")
    except SubmissionTimeoutError as timeout:
        fail(f"fetch_all did not return, though every page had come. Who waits for whom?\n{timeout}")


def returned(seen, urls):
    """What fetch_all returned, where no page fails."""
    assert not seen.raised, f"No page failed, and fetch_all raised {seen.raised}"
    return pages_of(seen.pages, urls)


def raised(seen, expected, told):
    """The exception that fetch_all raised is the expected one."""
    assert seen.raised, f"{told} fetch_all raised nothing and returned {seen.pages!r:.200}."
    assert seen.raised == expected, (
        f"{told} fetch_all was to raise\n  {expected}\nand it raised\n  {seen.raised}\n"
        "What counts is the order of the urls, not that in which calls fail. When can you know that no earlier one will?"
    )


def that_many(seen, max_workers):
    """There were max_workers calls while urls were left."""
    if seen.stall is not None:
        came, wanted = seen.stall
        left = f"{came} call{'s' if came != 1 else ''} of fetch waited, and no other began for 2 s"
        fail(
            f"With max_workers={max_workers} and enough urls left, {left}; {wanted} were wanted.\n"
            "When one call has come back, what does the next url wait for? And who would take it if one page never came?"
        )
    assert seen.most >= max_workers, (
        f"With max_workers={max_workers} and enough urls, there were never more than {seen.most} calls at the same time."
    )


def threads_only(seen):
    """The call started no process."""
    assert not seen.processes, (
        f"The call started {len(seen.processes)} process(es). For waiting none is needed: a thread that waits lets the "
        "others of its process run, and costs a hundredth."
    )
    return seen


def fast(submission, driver, yardstick, speedup, case, max_workers):
    """The time that is asked for, and none that max_workers calls at once cannot reach.

    Pages are waited for much longer than a thread on a busy machine waits for its core.
    """

    most = 0

    def serial(urls):
        return sum(int(url.rpartition("/")[2]) for url in urls) / 1000

    def student(urls):
        nonlocal most
        seen = threads_only(submission.observe("fetch_all", driver.page, urls, max_workers))
        most = max(most, seen.peak_threads)
        pages_of(seen.value, urls)
        soonest = serial(urls) / max_workers
        assert seen.wall_seconds >= soonest, (
            f"Pages that take {serial(urls) * 1e3:.0f} ms one after the other were there after {seen.wall_seconds * 1e3:.0f} "
            f"ms. {max_workers} calls at once need {soonest * 1e3:.0f} ms: there were more than that."
        )
        return seen

    speedup(
        case=case,
        student=student,
        yardstick=lambda urls, _: yardstick.observe("run", driver.page, urls, max_workers),
        needed=NEEDED,
        serial=serial,
    )
    # Pages that came in time without threads were not waited for. The caller may fetch, too.
    assert most >= max_workers - 1, (
        f"The pages were there in time, and yet there were never more than {most} threads beside the one that called "
        f"fetch_all, where max_workers={max_workers}. Who waited for them?"
    )


@pytest.mark.points(0.75)
def test_threads_and_no_processes(submission, driver, measured):
    """Every page comes, and no process is started for it."""
    urls = names(6, 30)
    seen = submission.observe("fetch_all", driver.page, urls, 3)
    measured["threads"] = seen.peak_threads
    threads_only(seen)
    pages_of(seen.value, urls)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_threads_and_no_processes")
def test_results_come_in_the_order_of_the_urls(driver):
    """The results are in the order of the urls, whichever page is there first."""
    urls = names(8, 0)
    pages = returned(directed(driver, urls, 4), urls)
    assert driver.expected(urls) == pages, (
        "Of the calls that waited, the last one was always let go first, and the pages came back in the order "
        f"{[urls.index(page.removeprefix('page of ')) for page in pages]} of the urls.\n"
        "Which page belongs to which url? How do you know it when one is there?"
    )


@pytest.mark.points(1)
@pytest.mark.needs("test_threads_and_no_processes")
def test_never_more_calls_than_max_workers(driver, measured):
    """At most max_workers calls run at the same time."""
    urls = names(9, 0)
    seen = directed(driver, urls, 3)
    returned(seen, urls)
    measured["at once"] = seen.most
    assert seen.most <= 3, (
        f"With max_workers=3, {seen.most} calls of fetch were running at the same time.\n"
        "A server that gets too many requests at once turns them down. What in your code counts those that run?"
    )


@pytest.mark.points(2)
@pytest.mark.needs("test_threads_and_no_processes")
def test_that_many_while_there_is_work(driver):
    """As long as there are urls left, max_workers calls run at the same time."""
    urls = names(9, 0)
    seen = directed(driver, urls, 3, quiet=0.0)
    returned(seen, urls)
    that_many(seen, 3)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_threads_and_no_processes")
def test_the_first_failing_url_is_raised(driver):
    """The exception of the first failing url is raised, also when a later one fails earlier."""
    urls = names(6, 0)
    failing = {urls[1]: "ConnectionError", urls[3]: "TimeoutError"}
    raised(
        directed(driver, urls, 4, failing, [3, 1]),
        f"ConnectionError: no answer from {urls[1]}",
        "Urls 1 and 3 fail, and 3 was made to fail first.",
    )


@pytest.mark.points(0.75)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_threads_and_no_processes")
def test_no_thread_is_left(submission, driver):
    """No thread is left when fetch_all returns, or raises."""
    urls = names(6, 10)
    seen = submission.observe("fetch_all", driver.page_or_error, urls, 3)
    pages_of(seen.value, urls)
    assert_clean(seen)
    urls[2] = "https://example.org/gone/5"
    seen = submission.observe("fetch_all", driver.page_or_error, urls, 3)
    assert seen.error is not None, f"Url 2 fails, and fetch_all returned {seen.value!r:.200} as if all were well."
    assert_clean(seen)


@pytest.mark.points(1.75)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_threads_and_no_processes")
def test_waiting_is_shared(submission, driver, yardstick, speedup):
    """8 workers: at least 0.8 of the speedup that 8 calls at once give."""

    def case(rng):
        return [f"https://example.org/{rng.getrandbits(40):010x}/120" for _ in range(16)]

    fast(submission, driver, yardstick, speedup, case, 8)


### BEGIN HIDDEN TESTS
@pytest.mark.points(0.5)
@pytest.mark.needs("test_the_first_failing_url_is_raised")
def test_no_call_runs_when_it_raises(driver):
    """The exception is raised when no call is running any more; also other failures, of other classes."""
    urls = names(8, 0)
    last, missing = f"TimeoutError: no answer from {urls[7]}", f"404 for {urls[0]}"
    for failing, order, expected, told in (
        (
            {urls[0]: "NotFoundError"},
            [0],
            f"NotFoundError: {missing}",
            "Url 0 failed, while three other calls were running.",
        ),
        ({urls[7]: "TimeoutError"}, [], last, "Url 7 failed, the last one."),
        (
            dict.fromkeys(urls, "ConnectionError"),
            [2, 3, 1, 0],
            f"ConnectionError: no answer from {urls[0]}",
            "Every url failed; of the first four, 2 failed first and 0 last.",
        ),
    ):
        seen = directed(driver, urls, 4, failing, order)
        assert seen.raised, f"{told} fetch_all returned {seen.pages!r:.200} as if all were well."
        assert seen.running == 0, (
            f"{told} When fetch_all raised, {seen.running} calls were still running.\n"
            "Whoever handles the exception has to know that nothing goes on behind his back."
        )
        raised(seen, expected, told)


@pytest.mark.points(0.25)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_results_come_in_the_order_of_the_urls")
def test_the_result_is_always_the_same(driver):
    """The same result for every number of workers and every order in which pages come."""
    urls = names(7, 0)
    expected = driver.expected(urls)
    assert fingerprint(expected) != fingerprint(expected[::-1]), "This check cannot tell one order from another."
    for max_workers, order in ((1, []), (2, [1, 0]), (5, [4, 2, 6, 0]), (7, [6, 5, 4]), (7, [0, 6, 1])):
        seen = directed(driver, urls, max_workers, {}, order, quiet=0.0)
        told = f"with max_workers={max_workers}" + (f" and page {order[0]} first" if order else "")
        assert fingerprint(expected) == fingerprint(returned(seen, urls)), f"The result {told} was in another order."


@pytest.mark.points(0.25)
@pytest.mark.needs("test_threads_and_no_processes")
def test_small_cases(submission, driver):
    """No urls, one url, fewer urls than workers, one worker, forty, the same url twice, odd pages."""
    assert submission.fetch_all(driver.page, [], 4) == [], "No urls should give []."
    one, three = names(1, 5), names(3, 5)
    for urls, max_workers in ((one, 4), (three, 16), (three, 1), (three + three, 2)):
        pages = pages_of(submission.fetch_all(driver.page, urls, max_workers), urls)
        assert len(pages) == len(urls), f"{len(urls)} urls and {max_workers} workers gave {len(pages)} pages."
    many = names(44, 0)
    seen = directed(driver, many, 40, quiet=0.0)
    returned(seen, many)
    that_many(seen, 40)
    seen = driver.observe("fetch_odd_pages", 8, 2)
    wanted = ["''", "None", "0", "LookupError('the page of an exception')"]
    told = "Of eight urls, fetch gave '', None, 0 and an exception (returned, not raised) in turn, and fetch_all"
    if seen.error is not None:
        fail(f"{told} raised {seen.error.type}: {seen.error.message}. What a call returns is a page.")
    pages = expect_type(seen.value, list[str], "eight pages")
    assert sorted(wanted * 2) == sorted(pages), f"{told} gave {', '.join(pages)}. Those are pages, too."


@pytest.mark.points(0.25)
def test_every_url_is_fetched_once_in_every_call(driver):
    """Each call fetches each url once: nothing is remembered, nothing done twice."""
    seen = expect_type(driver.fetch_twice(names(8, 0), 3), Twice, "two lists of eight numbers")
    assert [2] * 8 == seen.calls, (
        f"fetch_all was called twice with the same 8 urls, and fetch {seen.calls} times for them; 2 each are wanted."
    )
    for number, which, values in ((1, "first", seen.first), (2, "second", seen.second)):
        assert [number] * 8 == values, (
            f"fetch answered with the number of the call, and the {which} call of fetch_all returned {values}."
        )


@pytest.mark.points(1)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_waiting_is_shared")
def test_waiting_is_shared_where_pages_differ(submission, driver, yardstick, speedup):
    """Pages that take from 10 to 180 ms, 5 workers: at least 0.8 of what 5 calls at once give."""

    def case(rng):
        waits = [10 + 110 * (index % 6 == 0) + rng.randrange(60) for index in range(30)]
        return [f"https://example.org/{rng.getrandbits(40):010x}/{wait}" for wait in waits]

    fast(submission, driver, yardstick, speedup, case, 5)


### END HIDDEN TESTS
