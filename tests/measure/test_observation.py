"""What is seen of a call from outside: the processes that it started, as they see themselves, and nothing of Python's own."""

from collections.abc import Iterator

import pytest

from autograder.errors import SubmissionError
from autograder.measure.observation import Observation, Watch
from autograder.sandbox import Call, Counters, Ending, Outcome, ProcessState, Snapshot, ZygoteSandbox
from autograder.sandbox.procfs import LINUX

pytestmark = pytest.mark.skipif(not LINUX, reason="seen through procfs")

SOURCE = b'''
import multiprocessing, os, signal, subprocess, sys, threading, time
from concurrent.futures import ProcessPoolExecutor

def who(_=None):
    time.sleep(0.02)
    return os.getpid(), os.getppid(), os.getpgid(0)

def me():
    return os.getpid()

def pool(method, workers):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        return sorted(set(executor.map(who, range(4 * workers))))

def pose():
    import ctypes
    reader, writer = os.pipe()
    if os.fork() == 0:
        fields = open("/proc/self/stat").read().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        text = b"python\\0-c\\0from multiprocessing.spawn import spawn_main; spawn_main()\\0"[: end - start]
        ctypes.memmove(start, text, len(text))
        os.write(writer, open("/proc/self/cmdline", "rb").read(200))
        time.sleep(0.05)
        os._exit(0)
    os.wait()
    return os.read(reader, 200)

def apart(count):
    """Each in a group of its own, all alive at once."""
    reader, writer = os.pipe()
    gate_reader, gate_writer = os.pipe()
    for _ in range(count):
        if os.fork() == 0:
            os.close(gate_writer)
            os.setpgid(0, 0)
            os.write(writer, f"{os.getpid()} {os.getppid()} {os.getpgid(0)}\\n".encode())
            os.read(gate_reader, 1)
            os._exit(0)
    with open(reader) as lines:
        told = sorted(tuple(map(int, lines.readline().split())) for _ in range(count))
    time.sleep(0.05)
    os.close(gate_writer)
    for _ in range(count): os.wait()
    return told

def one_by_one(count):
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            time.sleep(0.02)
            os._exit(0)
        os.waitpid(pid, 0)

def grandchild():
    pid = os.fork()
    if pid == 0:
        pid = os.fork()
        if pid == 0:
            time.sleep(0.02)
            os._exit(0)
        os.waitpid(pid, 0)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid

def threads(count):
    begun = [threading.Thread(target=time.sleep, args=(0.1,)) for _ in range(count)]
    for thread in begun: thread.start()
    for thread in begun: thread.join()

def disguised():
    busy = "import time\\nwhile time.process_time() < 0.5: pass\\n#"
    subprocess.run([sys.executable, "-c", busy + "from multiprocessing.resource_tracker import main"])

def busy(seconds):
    pid = os.fork()
    if pid == 0:
        while time.process_time() < seconds: pass
        os._exit(0)
    os.waitpid(pid, 0)

def leaves():
    if os.fork() == 0: signal.pause()

def leaves_helpers():
    from multiprocessing import resource_tracker
    resource_tracker.ensure_running()

def sends(count, size):
    """Each child sends so much to the caller, and ends; one is killed when it has sent."""
    for number in range(count):
        reader, writer = multiprocessing.Pipe(duplex=False)
        pid = os.fork()
        if pid == 0:
            writer.send_bytes(b"x" * size)
            if number: os._exit(0)
            signal.pause()
        reader.recv_bytes()
        if number == 0: os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

def shares(size):
    from multiprocessing.shared_memory import SharedMemory
    made = SharedMemory(create=True, size=size)
    made.buf[:] = b"x" * size
    if os.fork() == 0:
        made.buf[:] = b"y" * size
        os._exit(0)
    os.wait()
    made.close()
    made.unlink()

def fails(): raise ValueError("a reason")
'''


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ZygoteSandbox]:
    """The strongest that there is."""
    with ZygoteSandbox() as made:
        yield made


def _observe(sandbox: ZygoteSandbox, function: str, *arguments: object) -> Observation:
    watch = Watch()
    outcome = sandbox.run(Call({"m.py": SOURCE}, "m", function, arguments), watch)
    raised = outcome.ending is Ending.RAISED
    assert raised or outcome.ending is Ending.VALUE, outcome.message
    error = SubmissionError(outcome.type, outcome.message, outcome.traceback) if raised else None
    return watch.observation(outcome, error)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_are_seen_and_helpers_are_not(sandbox: ZygoteSandbox, method: str) -> None:
    """Of a pool with two workers two processes are seen, with the pids they see themselves; Python's helpers are left out."""
    seen = _observe(sandbox, "pool", method, 2)
    assert 1 <= len(seen.value) <= 2, "each worker that answered told its pid once"
    # A worker of the fork server has a helper for a parent; under fork and spawn it is the caller.
    known = {(process.pid, process.ppid, process.pgid) for process in seen.processes}
    assert set() == set(seen.value) - known
    assert (2, 2) == (len(seen.processes), seen.peak_processes)
    assert not seen.leftovers


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_start_method_is_seen(sandbox: ZygoteSandbox, method: str) -> None:
    """How the workers of a pool were started, and of each of them."""
    seen = _observe(sandbox, "pool", method, 2)
    assert {method} == {process.start_method for process in seen.processes} | {seen.start_method}


def test_who_poses_as_spawned_was_forked(sandbox: ZygoteSandbox) -> None:
    """A command line that a process has written over is no proof: it was never started as another program."""
    seen = _observe(sandbox, "pose")
    assert b"multiprocessing.spawn" in seen.value, "else nothing is shown"
    assert "fork" == seen.start_method


def test_groups_and_parents_are_those_seen_inside(sandbox: ZygoteSandbox) -> None:
    """Pid, parent and process group of each child are what the child itself would say."""
    seen = _observe(sandbox, "apart", 3)
    assert seen.value == sorted((process.pid, process.ppid, process.pgid) for process in seen.processes)
    assert {seen.caller} == {process.ppid for process in seen.processes}
    assert 3 == seen.peak_processes


def test_the_caller_is_named_as_it_names_itself(sandbox: ZygoteSandbox) -> None:
    """The caller's pid is that which it has inside; it is no process that the call started."""
    seen = _observe(sandbox, "me")
    assert (seen.value, (), 0, 0) == (seen.caller, seen.processes, seen.peak_processes, seen.peak_threads)


def test_one_by_one_is_one_at_a_time(sandbox: ZygoteSandbox) -> None:
    """Processes that follow one another are all seen, and the peak says that there was never more than one."""
    seen = _observe(sandbox, "one_by_one", 4)
    assert (4, 1) == (len(seen.processes), seen.peak_processes)


def test_children_of_children_are_seen(sandbox: ZygoteSandbox) -> None:
    """The whole tree is seen, and who started whom."""
    seen = _observe(sandbox, "grandchild")
    assert (2, 2) == (len(seen.processes), seen.peak_processes)
    assert {seen.caller, seen.value} == {process.ppid for process in seen.processes}


def test_threads_are_counted(sandbox: ZygoteSandbox) -> None:
    """Threads of the caller beyond its own are counted, and are no processes."""
    seen = _observe(sandbox, "threads", 3)
    assert (3, 0) == (seen.peak_threads, seen.peak_processes)


def test_a_worker_in_a_helpers_clothes_is_a_worker(sandbox: ZygoteSandbox) -> None:
    """What looks like a helper by its command line but computes is counted."""
    assert 1 == len(_observe(sandbox, "disguised").processes)


def test_cpu_time_is_known_per_process(sandbox: ZygoteSandbox) -> None:
    """The CPU time of a child is its own, also when it has ended; that of the call is the sum."""
    seen = _observe(sandbox, "busy", 0.2)
    (worker,) = seen.processes
    # Process time begins when the process does; the last of it may be counted up to a tick of the kernel late.
    assert 0.18 < worker.cpu_seconds < 0.4
    assert worker.cpu_seconds <= seen.cpu_seconds


def test_what_processes_write_is_counted(sandbox: ZygoteSandbox) -> None:
    """Bytes through pipes are counted from outside, also of processes that have ended or were killed."""
    size = 1_000_000
    seen = _observe(sandbox, "sends", 3, size)
    if seen.written_bytes is None:
        pytest.skip("this machine does not count what processes write")
    assert 3 * size <= seen.written_bytes < 3 * size + 10_000
    assert seen.shared_bytes < size


def test_shared_memory_is_seen_and_is_not_written(sandbox: ZygoteSandbox) -> None:
    """What lies in a segment shows as shared memory, and as nothing that was written, whoever fills it."""
    size = 4_000_000
    seen = _observe(sandbox, "shares", size)
    assert size <= seen.shared_bytes < 2 * size
    assert seen.written_bytes is None or seen.written_bytes < 10_000


def test_what_is_left_behind_is_named_by_its_inner_pid(sandbox: ZygoteSandbox) -> None:
    """A process that was left behind is told by the pid that the submission knows; helpers are allowed to stay."""
    seen = _observe(sandbox, "leaves")
    assert (f"process {seen.processes[0].pid}",) == seen.leftovers.processes
    assert not _observe(sandbox, "leaves_helpers").leftovers


def test_an_exception_is_kept_until_the_value_is_asked_for(sandbox: ZygoteSandbox) -> None:
    """An observation of a call that raised says so, and raises it when its value is wanted."""
    seen = _observe(sandbox, "fails")
    assert seen.error is not None
    with pytest.raises(SubmissionError, match="ValueError: a reason"):
        _ = seen.value


def _tree(at: float, *pids: int, dead: tuple[int, ...] = ()) -> Snapshot:
    states = {
        pid: ProcessState(pid, 2**23, 2**23, "Z" if pid in dead else "S", 0, {pid: Counters(0, 0)}) for pid in pids
    }
    return Snapshot(at, states)


def test_the_peak_counts_who_is_alive() -> None:
    """The dead who wait to be reaped do not compute: they are processes that were seen, but not alive at once."""
    caller, *workers = range(2**23, 2**23 + 4)  # larger than any pid of a machine
    watch = Watch()
    watch.started(caller, _tree(0.0, caller))
    watch.tick(_tree(0.1, caller, workers[0]))
    watch.tick(_tree(0.2, caller, workers[0], workers[1], dead=(workers[0],)))
    watch.finished(_tree(0.3, caller, *workers, dead=(workers[0],)))
    seen = watch.observation(Outcome(Ending.VALUE), None)
    assert (3, 2) == (len(seen.processes), seen.peak_processes)


def test_what_comes_after_the_end_is_seen_but_not_timed() -> None:
    """Processes that show up while the leftovers are looked for are seen; the clock has stopped."""
    caller, late = 2**23, 2**23 + 1
    watch = Watch()
    watch.started(caller, _tree(0.0, caller))
    watch.finished(_tree(1.0, caller))
    watch.tick(_tree(5.0, caller, late))
    seen = watch.observation(Outcome(Ending.VALUE), None)
    assert (1, 1.0) == (len(seen.processes), seen.wall_seconds)
