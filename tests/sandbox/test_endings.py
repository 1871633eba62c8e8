"""When a call ends, all that it started is dead, and what it had left behind has been told."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import psutil
import pytest

import autograder
from autograder.errors import SandboxError
from autograder.sandbox import Call, Ending, Outcome, ZygoteSandbox

Run = Callable[..., Outcome]
Recorder = Any  # the conftest's

ORPHANS = """
import os, signal, time

def f(how):
    reader, writer = os.pipe()
    for _ in range(20):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                os.write(writer, b".")
                signal.pause()
            os._exit(0)
    for _ in range(20): os.wait()
    begun = b""
    while len(begun) < 20: begun += os.read(reader, 20)
    if how == "die": os._exit(1)
    if how == "hang": time.sleep(100)
    return 20
"""


@pytest.mark.parametrize(
    ("how", "ending"), [("return", Ending.VALUE), ("die", Ending.CRASHED), ("hang", Ending.TIMEOUT)]
)
def test_orphans_are_found_and_ended(run: Run, recorder: Recorder, how: str, ending: Ending) -> None:
    """Twenty processes in sessions of their own, forked twice, that ignore signals: all dead when the call has ended."""
    outcome = run(ORPHANS, how, observer=recorder, wall_seconds=10.0 if how != "hang" else 2.0)
    assert ending is outcome.ending, outcome.message
    assert len(recorder.seen) >= 21, "the twenty and the caller were seen from outside"
    assert [] == recorder.still_there()
    if how == "return":
        assert 20 == len(outcome.surviving)


LEFT = {
    "a process": ("import os, signal\ndef f():\n    if not os.fork(): signal.pause()", "surviving", 1),
    "a process that ends soon": ("import os, time\ndef f():\n    if not os.fork(): time.sleep(0.2)", "surviving", 1),
    "a zombie": (
        """
        import os
        def f():
            pid = os.fork()
            if not pid: os._exit(0)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        """,
        "surviving",
        1,
    ),
    "two threads": (
        """
        import threading
        def f():
            for _ in range(2): threading.Thread(target=threading.Event().wait, daemon=True).start()
        """,
        "surviving_threads",
        2,
    ),
    "a file": ("import tempfile\ndef f(): tempfile.mkstemp(suffix='of-mine')", "files", 1),
    "a segment": (
        """
        from multiprocessing import resource_tracker, shared_memory
        def f():
            segment = shared_memory.SharedMemory(create=True, size=10)
            resource_tracker.unregister(segment._name, "shared_memory")
        """,
        "segments",
        1,
    ),
}


def _count(found: int | Collection[object]) -> int:
    return found if isinstance(found, int) else len(found)


@pytest.mark.parametrize("what", LEFT)
def test_what_is_left_behind_is_told(run: Run, recorder: Recorder, what: str) -> None:
    """Processes, zombies, threads, segments and files that are there at the return are reported, and then gone."""
    source, field, expected = LEFT[what]
    before = set(Path("/dev/shm").iterdir())
    outcome = run(source, observer=recorder)
    assert Ending.VALUE is outcome.ending, outcome.message
    # Python's own helper for segments is a process, too: it is left out by who interprets, not here.
    fields = [field] if field == "segments" else ["surviving", "surviving_threads", "files", "segments"]
    found = {name: count for name in fields if (count := _count(getattr(outcome, name)))}
    assert {field: expected} == found
    assert [] == recorder.still_there()
    assert set() == set(Path("/dev/shm").iterdir()) - before


def test_a_thread_may_need_a_moment(run: Run) -> None:
    """A thread that is about to end when the call returns is not reported: joining it was the collector's work."""
    outcome = run("import threading, time\ndef f(): threading.Thread(target=time.sleep, args=(0.05,)).start()")
    assert 0 == outcome.surviving_threads


def test_who_cleans_up_is_clean(run: Run) -> None:
    """Processes, threads, files and segments that are gone at the return are not held against anybody."""
    outcome = run(
        """
        import multiprocessing, tempfile, threading
        from multiprocessing import shared_memory
        def f():
            thread = threading.Thread(target=print); thread.start(); thread.join()
            with tempfile.TemporaryFile(): pass
            segment = shared_memory.SharedMemory(create=True, size=10); segment.close(); segment.unlink()
            process = multiprocessing.get_context("fork").Process(target=print); process.start(); process.join()
        """
    )
    assert (0, (), ()) == (outcome.surviving_threads, outcome.files, outcome.segments)


def test_semaphores_of_other_programs_are_left_alone(run: Run, recorder: Recorder) -> None:
    """Also where another program of the same user names its segments as Python's libraries do: it has them mapped."""
    others: list[shared_memory.SharedMemory] = []
    recorder.started = lambda *_: others.append(shared_memory.SharedMemory(create=True, size=10))
    try:
        outcome = run("def f(): return 1", observer=recorder)
        assert () == outcome.segments
        assert Path("/dev/shm", others[0].name).exists()
    finally:
        for other in others:
            other.close()
            other.unlink()


def test_segments_of_other_programs_are_left_alone(run: Run, recorder: Recorder) -> None:
    """What another program puts into shared memory meanwhile is neither reported nor removed."""
    other = Path("/dev/shm/autograder-test-of-another-program")

    def begins(*_: object) -> None:
        other.write_bytes(b"precious")

    recorder.started = begins
    try:
        outcome = run("def f(): return 1", observer=recorder)
        assert ((), b"precious") == (outcome.segments, other.read_bytes())
    finally:
        other.unlink()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
def test_pools_work(run: Run, recorder: Recorder, kind: str, method: str) -> None:
    """Pools of every start method run functions of the submission's own module, and end."""
    outcome = run(
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        def square(n): return n * n
        def f(kind, method):
            context = multiprocessing.get_context(method)
            if kind == "Pool":
                with context.Pool(2) as pool:
                    values = pool.map(square, range(5))
                    pool.close()
                    pool.join()
                return values
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                return list(pool.map(square, range(5)))
        """,
        kind,
        method,
        observer=recorder,
        wall_seconds=60.0,
    )
    assert [0, 1, 4, 9, 16] == outcome.value, outcome
    assert [] == recorder.still_there()


@pytest.mark.parametrize("ended_by", ["itself", "its parent", "a signal to itself"])
def test_no_process_is_missed(run: Run, recorder: Recorder, ended_by: str) -> None:
    """Where there is an exit gate, every process is seen, however short its life: thirty that end or are ended at once."""
    outcome = run(
        """
        import os, signal
        def f(ended_by):
            for _ in range(30):
                pid = os.fork()
                if pid == 0:
                    if ended_by == "itself": os._exit(0)
                    if ended_by == "a signal to itself": os.kill(os.getpid(), signal.SIGKILL)
                    signal.pause()
                if ended_by == "its parent": os.kill(pid, signal.SIGKILL)
                os.wait()
        """,
        ended_by,
        observer=recorder,
        wall_seconds=60.0,
    )
    if not outcome.gated:
        pytest.skip("this level has no exit gate: what lives shorter than 3 ms can be missed")
    assert 31 == len(recorder.seen)
    assert frozenset() == outcome.surviving


# -- the end of the sandbox, and of the grader ------------------------------------------------------------


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def test_closing_leaves_no_process(sandbox: ZygoteSandbox) -> None:
    """After ``close`` neither the zygote nor anything that it forked is there; closing again is allowed."""
    with ZygoteSandbox(forced=sandbox.isolation) as own:
        own.run(Call({"m.py": b"def f(): pass"}, "m", "f"))
        family = _family(own._process.pid)
    assert 1 == len(family), "nothing but the zygote waits for the next call"
    assert [] == [process for process in family if process.is_running()]
    own.close()


def test_a_killed_zygote_is_a_fault_of_ours(sandbox: ZygoteSandbox) -> None:
    """When the zygote is gone a call is an error of the sandbox, never a verdict about a submission."""
    with ZygoteSandbox(forced=sandbox.isolation) as own:
        assert sandbox.isolation is own.isolation
        own._process.kill()
        own._process.wait()
        with pytest.raises(SandboxError, match="zygote"):
            own.run(Call({"m.py": b"def f(): pass"}, "m", "f"))


def test_closing_before_the_start_leaves_no_process(sandbox: ZygoteSandbox) -> None:
    """Nor is there any when the sandbox is closed while its zygote still starts."""
    own = ZygoteSandbox(preload=["asyncio"], forced=sandbox.isolation)
    family = _family(own._process.pid)
    own.close()
    assert [] == [process for process in family if process.is_running()]


def _runs(process: psutil.Process) -> bool:
    """Whether it runs still: what is dead and orphaned waits for the machine's first process to reap it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


GRADER = """
import sys
from autograder.sandbox import Call, Isolation, ZygoteSandbox
from autograder.records import Limits

SOURCE = b'''
import os, signal
def f():
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0: signal.pause()
            os._exit(0)
        os.wait()
    signal.pause()
'''

class Told:
    def started(self, caller, snapshot): pass
    def finished(self, snapshot): pass
    def tick(self, snapshot):
        # Those between have ended when the first process of the call is the parent of all that is there.
        if len(snapshot.processes) == 4 and len({process.parent for process in snapshot.processes.values()}) == 1:
            print(*snapshot.processes, flush=True)

with ZygoteSandbox(forced=Isolation(sys.argv[1])) as sandbox:
    sandbox.run(Call({"m.py": SOURCE}, "m", "f", limits=Limits(wall_seconds=100.0)), Told())
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
def test_nothing_outlives_the_grader(sandbox: ZygoteSandbox, open_folder: Path, end: signal.Signals) -> None:
    """When the grader is killed in the middle of a call, its processes and temporary folders are gone soon."""
    environment = os.environ | {"TMPDIR": str(open_folder), "PYTHONPATH": str(Path(autograder.__file__).parent.parent)}
    grader = subprocess.Popen(
        [sys.executable, "-c", GRADER, str(sandbox.isolation)], stdout=subprocess.PIPE, env=environment
    )
    assert grader.stdout is not None
    try:
        pids = [int(pid) for pid in grader.stdout.readline().split()]
        family = {process.pid: process for process in (*_family(grader.pid), *map(psutil.Process, pids))}
        grader.send_signal(end)
        grader.wait()
    finally:
        grader.kill()
        grader.wait()
        grader.stdout.close()
    assert 4 == len(pids), "the caller and three orphans"
    deadline = time.monotonic() + 10.0  # less than 1 s on a machine that has nothing else to do
    while left := [process for process in family.values() if _runs(process)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)
    while list(open_folder.iterdir()):
        assert time.monotonic() < deadline, f"still there: {list(open_folder.iterdir())}"
        time.sleep(0.02)


def test_no_temporary_folder_is_left(
    sandbox: ZygoteSandbox, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a call, and after the end of a sandbox, the grader's own temporary folder is as it was."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    with ZygoteSandbox(forced=sandbox.isolation) as own:
        outcome = own.run(
            Call({"m.py": b"import os\ndef f(): open('note', 'w'); os.mkdir('a'); os.chmod('a', 0)"}, "m", "f")
        )
        assert Ending.VALUE is outcome.ending, outcome.message
        assert [] == list(open_folder.iterdir())
    assert [] == list(open_folder.iterdir())


def test_a_folder_that_the_submission_may_not_enter_is_a_fault_of_ours(
    sandbox: ZygoteSandbox, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where temporary files lie out of the sandbox's reach, the grader says so, and no submission seems to be missing."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    open_folder.chmod(0o700)
    with ZygoteSandbox(forced=sandbox.isolation) as own:
        try:
            answer = own.run(Call({"m.py": b"def f(): return 1"}, "m", "f")).value
        except SandboxError as error:
            answer = "told" if "TMPDIR" in str(error) else str(error)
    assert answer in (1, "told")
    assert [] == list(open_folder.iterdir())
