"""What a call may use, and how it ends when it takes more, dies, or lies."""

from collections.abc import Callable

import pytest

from autograder.sandbox import Ending, Outcome, ZygoteSandbox, running
from autograder.sandbox.wire import MAX_FRAME

Run = Callable[..., Outcome]

#: What a forger writes with: descriptor 3 leads to the grader.
FORGER = """\
import os, signal, struct, time
import msgpack

def tell(**message):
    data = msgpack.packb(message)
    os.write(3, struct.pack(">Q", len(data)) + data)

def stay():
    # As our own code does: repeat the word that the grader sends when it has the answer, and wait for the end.
    os.write(3, os.read(3, 4096))
    signal.pause()
"""


# -- time and memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forever",
    [
        "while True: pass",
        "while True:\n        try: time.sleep(100)\n        except BaseException: pass",
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "[signal.signal(n, signal.SIG_IGN) for n in range(1, 32) if n not in (9, 19)]; signal.pause()",
    ],
    ids=["busy", "swallows exceptions", "deadlocked", "stopped", "ignores signals"],
)
def test_a_call_has_its_time(run: Run, forever: str) -> None:
    """A call that does not end is ended, whatever it does against that, and the message says after how long."""
    outcome = run(f"import os, signal, time\ndef f():\n    {forever}", wall_seconds=0.3)
    assert (Ending.TIMEOUT, "The call took longer than 0.3 s.") == (outcome.ending, outcome.message)


def test_an_import_has_its_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that computes at import is ended, too."""
    monkeypatch.setattr(running, "IMPORT_SECONDS", 0.3)
    outcome = run("while True: pass")
    assert (Ending.TIMEOUT, "Importing the module took longer than 0.3 s.") == (outcome.ending, outcome.message)


def test_cpu_time_is_that_of_all_processes(run: Run) -> None:
    """CPU time counts over the whole tree: three processes that are busy for less than the limit each pass it."""
    outcome = run(
        """
        import os, time
        def f():
            for _ in range(3): os.fork() or busy()
            os.wait()
        def busy():
            while time.process_time() < 0.35: pass
            time.sleep(100)
        """,
        wall_seconds=60.0,
        cpu_seconds=0.7,
    )
    assert (Ending.TIMEOUT, "It used more than the 0.7 s of CPU time that it may.") == (outcome.ending, outcome.message)


@pytest.mark.parametrize(
    "fill",
    [
        "b = bytearray(200_000_000)",
        "os.fork(); b = bytearray(110_000_000)",
        "m = mmap.mmap(-1, 200_000_000); m.write(bytes(1_000_000) * 200)",
    ],
    ids=["one process", "two processes", "shared memory"],
)
def test_memory_is_that_of_all_processes(run: Run, fill: str) -> None:
    """Memory counts over the whole tree, also where it is shared and lies in no file."""
    outcome = run(f"import mmap, os, time\ndef f():\n    {fill}; time.sleep(100)", memory_mb=150, wall_seconds=60.0)
    told = (outcome.ending, outcome.message)
    assert (Ending.CRASHED, "It used more memory than the 150 MiB that it may.") == told


def test_where_memory_runs_out_the_call_goes_first(run: Run) -> None:
    """A call is what the kernel ends first when the machine itself has no memory left: before the grader."""
    outcome = run("def f():\n    with open('/proc/self/oom_score_adj') as stream: return stream.read().strip()")
    assert "1000" == outcome.value


@pytest.mark.usefixtures("strong")
def test_the_number_of_processes_is_limited(run: Run) -> None:
    """A fork bomb neither goes on nor reaches the machine: forks fail, or the call is ended."""
    outcome = run(
        """
        import os, time
        def f():
            while True:
                try: os.fork()
                except OSError: time.sleep(100)
        """,
        processes=20,
        wall_seconds=2.0,
    )
    assert outcome.ending in (Ending.CRASHED, Ending.TIMEOUT)


def test_the_number_of_processes_allows_what_it_says(run: Run) -> None:
    """As many processes and threads as the limit says can be had."""
    outcome = run(
        """
        import os, signal, threading
        def f():
            children = []
            for _ in range(5):
                children.append(os.fork())
                if not children[-1]: signal.pause()
            threads = [threading.Thread(target=threading.Event().wait, args=(0.05,)) for _ in range(5)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            return len(children)
        """,
        processes=12,
    )
    assert (Ending.VALUE, 5) == (outcome.ending, outcome.value), outcome.message


def test_a_file_is_limited(run: Run) -> None:
    """A file that grows without end is an OSError for who writes it."""
    outcome = run(
        """
        def f():
            with open("large", "wb", buffering=0) as stream:
                try:
                    for _ in range(4): stream.write(bytes(1 << 20))
                except OSError as error: return type(error).__name__
        """,
        files_mb=2,
    )
    assert (Ending.VALUE, "OSError") == (outcome.ending, outcome.value), outcome.message


# -- death ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["import", "call"])
@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("os._exit(0)", "The process ended with exit status 0 before it answered."),
        ("os._exit(3)", "The process ended with exit status 3 before it answered."),
        ("os.kill(os.getpid(), 9)", "The process was killed by signal 9 before it answered."),
        ("ctypes.string_at(0)", "The process was killed by signal 11 before it answered."),
    ],
)
def test_a_process_that_dies_has_crashed(run: Run, place: str, end: str, message: str) -> None:
    """However a process ends without an answer, an exit status of 0 too, it has crashed and the message says how."""
    indent = "" if place == "import" else "def f():\n    "
    outcome = run(f"import ctypes, os\n{indent}{end}")
    assert (Ending.CRASHED, message) == (outcome.ending, outcome.message)


@pytest.mark.usefixtures("sealed")
def test_who_kills_all_kills_nobody_else(run: Run) -> None:
    """SIGKILL for everything in sight finds nobody, and the process above cannot be hit."""
    outcome = run(
        """
        import contextlib, os
        def f():
            with contextlib.suppress(PermissionError): os.kill(os.getppid(), 9)
            os.kill(-1, 9)
        """
    )
    assert (Ending.RAISED, "ProcessLookupError") == (outcome.ending, outcome.type)
    assert Ending.VALUE is run("def f(): return 1").ending


def test_words_before_death_are_kept(run: Run) -> None:
    """What was written before the end can be shown."""
    outcome = run("import os\ndef f():\n    print('last words'); os._exit(1)")
    assert "last words\n" == outcome.stdout


# -- lies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        'os.write(3, b"\\0" * 100)',
        'os.write(3, struct.pack(">Q", 2**40))',
        'os.write(3, struct.pack(">Q", 5) + b"\\x91" * 5)',
        "tell(kind=5)",
        'data = msgpack.packb([1]); os.write(3, struct.pack(">Q", len(data)) + data)',
        'tell(kind="no such kind")',
        'tell(kind="value", value=1)',
        'tell(kind="ready")',
        'tell(kind="import_failed")',
        'tell(kind="returned"); tell(kind="returned")',
        'tell(kind="returned"); tell(kind="no such kind")',
        'tell(kind="returned"); tell(kind="value", value=msgpack.ExtType(2, b"\\xc0"))',
        "os.close(3)",
        "os.closerange(0, 256)",
        'while True: tell(kind="returned")',
    ],
)
def test_forged_answers_are_crashes(run: Run, lie: str) -> None:
    """What a submission writes to the grader itself is no answer, also when it never stops writing."""
    outcome = run(f"{FORGER}\ndef f():\n    {lie}\n    return 1", wall_seconds=5.0)
    assert Ending.CRASHED is outcome.ending, outcome
    assert "" != outcome.message


def test_answers_forged_at_import_are_crashes(run: Run) -> None:
    """Nor is what it writes before the call."""
    for lie in ('tell(kind="value", value=1)', 'tell(kind="ready"); tell(kind="ready"); tell(kind="value", value=1)'):
        assert Ending.CRASHED is run(f"{FORGER}\n{lie}\ndef f(): return 2").ending


def test_a_flood_of_answers_does_not_stop_the_clock(run: Run) -> None:
    """Children that write without end cannot keep the grader busy beyond the call's time."""
    outcome = run(
        f"""{FORGER}
def f():
    os.set_blocking(3, True)
    for _ in range(2):
        if not os.fork():
            while True: os.write(3, struct.pack(">Q", 1) * 1000)
    time.sleep(100)
""",
        wall_seconds=5.0,
    )
    assert Ending.CRASHED is outcome.ending


def test_who_says_early_that_it_has_returned_gains_no_time(run: Run) -> None:
    """The clock runs until the answer is there, not until somebody says that the work is done."""
    outcome = run(
        f"""{FORGER}
def f():
    tell(kind="returned")
    time.sleep(0.3)
    tell(kind="value", value=1)
    stay()
"""
    )
    assert (Ending.VALUE, 1) == (outcome.ending, outcome.value)
    assert outcome.wall_seconds >= 0.3


def test_who_says_early_that_it_has_returned_hides_no_process(run: Run) -> None:
    """What runs when the answer comes was left behind, too."""
    outcome = run(
        f"""{FORGER}
def f():
    tell(kind="returned")
    time.sleep(0.1)
    if not os.fork(): signal.pause()
    tell(kind="value", value=1)
    stay()
"""
    )
    assert 1 == len(outcome.surviving)


@pytest.mark.parametrize(
    "then", ["os._exit(0)", "os.kill(os.getpid(), 9)", "signal.pause()", "tell(kind='stays'); stay()"]
)
def test_who_answers_and_is_not_there_to_be_asked_has_crashed(
    run: Run, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """A forged answer is a crash each time, whether the forger ends at once, never, or knows what will be asked."""
    monkeypatch.setattr(running, "LAST_WORD_SECONDS", 0.5)
    source = f"{FORGER}\ndef f():\n    tell(kind='returned'); tell(kind='value', value=1); {then}"
    assert {Ending.CRASHED} == {run(source).ending for _ in range(3)}


def test_an_answer_has_a_limit(run: Run) -> None:
    """An answer that is larger than what is read is a crash, and the message says how much is read."""
    outcome = run("def f(n): return bytes(n)", MAX_FRAME)
    assert Ending.CRASHED is outcome.ending
    assert f"at most {MAX_FRAME:,} are read" in outcome.message


def test_a_killed_call_leaves_the_sandbox_usable(run: Run, sandbox: ZygoteSandbox) -> None:
    """After every kind of death the next call works, at the same level."""
    level = sandbox.isolation
    for end in ("os._exit(0)", "os.kill(os.getpid(), 9)", "os.close(3)", "time.sleep(100)"):
        assert Ending.VALUE is not run(f"import os, time\ndef f():\n    {end}", wall_seconds=0.3).ending
    assert 1 == run("def f(): return 1").value
    assert level is sandbox.isolation
