"""What runs beside a submission of exercise 08, inside the sandbox.

The process of a call forks one process per rank and never imports the student's module itself: only the
ranks do. Every rank has a real gloo group on the loopback, reached through `WatchedGroup`, which tells the first
process of every collective as it begins and ends. So a hang is seen as it happens, with the call in which each
rank waits.
"""

import builtins
import contextlib
import faulthandler
import io
import itertools
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import distributed_c10d

torch.set_num_threads(1)  # at once: ranks forked after an operation with more threads would hang

Task = Callable[..., Any]

STUDENT = "ddp"
#: Seconds without a message, all threads of all ranks asleep, before the ranks count as stuck.
QUIET_SECONDS = 1.0
#: CPU seconds without any collective before a rank counts as one that computes for ever.
BUSY_SECONDS = 4.0
#: Where the system does not show what threads do: seconds without a message.
BLIND_SECONDS = 8.0
#: Seconds that a thread of the student's has to end after the last call.
THREAD_SECONDS = 0.5
#: Seconds of quiet that the other ranks get to tell their part once something went wrong.
SETTLE_SECONDS = 0.2


# -- The group: gloo, with every call told to the first process ------------------------------------------

#: Methods of a process group: the call's name in torch.distributed, which argument it writes, which it reads.
CALLS: dict[str, tuple[str, int | None, int | None]] = {
    "allreduce": ("all_reduce", 0, 0),
    "allreduce_coalesced": ("all_reduce_coalesced", 0, 0),
    "broadcast": ("broadcast", 0, 0),
    "reduce": ("reduce", 0, 0),
    "allgather": ("all_gather", 0, 1),
    "allgather_coalesced": ("all_gather_coalesced", 0, 1),
    "_allgather_base": ("all_gather_into_tensor", 0, 1),
    "all_gather_single": ("all_gather_into_tensor", 0, 1),
    "allgather_into_tensor_coalesced": ("all_gather_into_tensor", 0, 1),
    "all_gather_single_coalesced": ("all_gather_into_tensor", 0, 1),
    "gather": ("gather", 0, 1),
    "scatter": ("scatter", 0, 1),
    "reduce_scatter": ("reduce_scatter", 0, 1),
    "_reduce_scatter_base": ("reduce_scatter_tensor", 0, 1),
    "reduce_scatter_single": ("reduce_scatter_tensor", 0, 1),
    "reduce_scatter_tensor_coalesced": ("reduce_scatter_tensor", 0, 1),
    "reduce_scatter_single_coalesced": ("reduce_scatter_tensor", 0, 1),
    "alltoall": ("all_to_all", 0, 1),
    "alltoall_base": ("all_to_all_single", 0, 1),
    "all_to_all_single": ("all_to_all_single", 0, 1),
    "send": ("send", None, 0),
    "recv": ("recv", 0, None),
    "recv_anysource": ("recv", 0, None),
    "barrier": ("barrier", None, None),
    "monitored_barrier": ("monitored_barrier", None, None),
}
#: Between two ranks only: the others need not call them.
BETWEEN_TWO = {"send", "recv"}
#: The tensors may differ in size from rank to rank.
ANY_SIZE = {"all_to_all", "all_to_all_single", "barrier", "monitored_barrier"}


def _tensors(value: object) -> Iterator[torch.Tensor]:
    """The tensors in an argument of a collective: a tensor, or lists of them."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _copies(value: Any) -> Any:
    """The same argument with a copy of every tensor."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return [_copies(part) for part in value] if isinstance(value, list | tuple) else value


def _root(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | None:
    """The rank that a broadcast, reduce, gather or scatter is from or to."""
    if name not in ("broadcast", "reduce", "gather", "scatter"):
        return None
    for value in (kwargs.get("root"), *args[1:], kwargs.get("opts")):
        if isinstance(value, int):
            return value
        if hasattr(value, "rootRank"):
            return int(value.rootRank)
    return 0


def _handed_over(name: str, size: int, root: int | None, rank: int, world_size: int) -> int:
    """Bytes that a rank gives to the others in a call on `size` bytes of its own."""
    if name == "broadcast":
        return size if rank == root else 0
    if name in ("reduce", "gather"):
        return 0 if rank == root else size
    if name.startswith(("scatter", "reduce_scatter", "all_to_all")):
        return size * (world_size - 1) // world_size  # its own part stays
    return size


class Transfer(dist.Work):
    """A call under way. What it writes appears when it is waited for: a forgotten wait shows every time."""

    def __init__(self, work: Any, own: object, copies: object, log: "Log", number: int):
        super().__init__()
        self._work, self._own, self._copies, self._log, self._number = work, own, copies, log, number
        self._guard = threading.Lock()

    def _deliver(self) -> None:
        with self._guard:
            if self._copies is not None:
                for own, copied in zip(_tensors(self._own), _tensors(self._copies), strict=True):
                    own.data.copy_(copied)  # .data: gloo too writes past autograd's version counters
                self._copies = None
                self._log.leave(self._number)

    def wait(self, timeout: timedelta | None = None) -> bool:
        done = bool(self._work.wait(timeout) if timeout else self._work.wait())
        self._deliver()
        return done

    def synchronize(self) -> None:
        self.wait()

    def is_completed(self) -> bool:
        done = bool(self._work.is_completed())
        if done:
            self._deliver()
        return done

    def is_success(self) -> bool:
        return bool(self._work.is_success())

    def exception(self) -> Any:
        return self._work.exception()

    def source_rank(self) -> int:
        return int(self._work._source_rank())

    _source_rank = source_rank

    def result(self) -> list[torch.Tensor]:
        self.wait()
        return list(_tensors(self._own))

    def get_future(self) -> Any:
        def delivered(future: Any) -> list[torch.Tensor]:
            future.value()  # raises what the call raised
            self._deliver()
            return list(_tensors(self._own))

        return self._work.get_future().then(delivered)


class WatchedGroup(dist.ProcessGroup):
    """A gloo group whose calls are told to the first process. Subgroups of it are watched as well."""

    log: "Log"

    def __init__(self, store: Any, rank: int, size: int, timeout: timedelta):
        super().__init__(rank, size)
        gloo = dist.ProcessGroupGloo(store, rank, size, timeout)
        self.options = gloo.options
        # What no method below intercepts goes straight to gloo.
        self._inner = dist.ProcessGroup(store, rank, size)
        for group in (self._inner, self):
            group._set_default_backend(dist.ProcessGroup.BackendType.GLOO)
            group._register_backend(torch.device("cpu"), dist.ProcessGroup.BackendType.GLOO, gloo)
        self._backend = gloo

    def getBackendName(self) -> str:  # noqa: N802 - torch's name
        return "gloo"

    def _set_sequence_number_for_group(self) -> None:
        self._backend._set_sequence_number_for_group()

    def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name, writes, reads = CALLS[method]
        given = list(_tensors(args[reads] if reads is not None and len(args) > reads else ()))
        taken = args[writes] if writes is not None and len(args) > writes else None
        shown = list(_tensors(taken)) if name == "scatter" or not given else given
        root = _root(name, args, kwargs)
        size = sum(tensor.numel() * tensor.element_size() for tensor in given)
        number = self.log.enter(
            group="" if self is dist.group.WORLD else self.group_name,
            name=name,
            numel=sum(tensor.numel() for tensor in shown),
            dtype=str(shown[0].dtype).removeprefix("torch.") if shown else "",
            root=root,
            bytes=_handed_over(name, size, root, self.rank(), self.size()),
        )
        copies = _copies(taken) if taken is not None else ()
        if taken is not None:
            args = tuple(copies if place == writes else value for place, value in enumerate(args))
        target = self._inner if hasattr(self._inner, method) else self._backend
        work = getattr(target, method)(*args, **kwargs)
        if work is None:  # monitored_barrier waits itself
            self.log.leave(number)
            return None
        return Transfer(work, taken, copies, self.log, number)


def _watched(method: str) -> Callable[..., Any]:
    def call(self: WatchedGroup, *args: Any, **kwargs: Any) -> Any:
        return self._call(method, args, kwargs)

    return call


for _method in CALLS:
    if hasattr(dist.ProcessGroup, _method) or hasattr(dist.ProcessGroupGloo, _method):
        setattr(WatchedGroup, _method, _watched(_method))


# -- A rank ----------------------------------------------------------------------------------------------


class Log:
    """A rank's line to the first process."""

    def __init__(self, line: connection.Connection):
        self._line, self._guard, self._numbers = line, threading.Lock(), itertools.count()
        self._source: str | None = None

    def send(self, *message: object) -> None:
        with self._guard:
            self._line.send_bytes(pickle.dumps(message))

    def stage(self, name: str) -> None:
        """What the rank does from now on, as messages call it."""
        self.send("stage", name)

    def enter(self, **call: object) -> int:
        """Tell of a collective that begins; gives its number."""
        number = next(self._numbers)
        self.send("enter", number, call | {"line": self._line_of_student(), "start": time.monotonic()})
        return number

    def leave(self, number: int) -> None:
        """Tell that a collective has ended."""
        self.send("leave", number, time.monotonic())

    def student(self) -> Any:
        """The student's module."""
        module = __import__(STUDENT)
        self._source = module.__file__
        # Strings hash differently in every rank, as in ranks that are started one by one.
        salt = random.SystemRandom().random()
        module.__dict__.setdefault("hash", lambda value: builtins.hash(_salted(value, salt)))
        return module

    def _line_of_student(self) -> int | None:
        frame = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename != self._source:
            frame = frame.f_back  # type: ignore[assignment]
        return frame and frame.f_lineno

    def hold(self) -> None:
        """Stay, for the others' sake, until the first process ends this one."""
        with contextlib.suppress(EOFError, OSError):
            self._line.recv_bytes()


def _salted(value: object, salt: float) -> object:
    if isinstance(value, tuple | frozenset):
        return tuple(_salted(part, salt) for part in value)
    return (salt, value) if isinstance(value, str | bytes) else value


def _become_another_machine(rank: int, world_size: int) -> None:
    """Give the process what differs between the machines of a cluster: clock, random state, environment."""
    real, real_ns = time.time, time.time_ns
    shift = 1000 * (rank + 1) + random.SystemRandom().randrange(1000)
    time.time = lambda: real() + shift
    time.time_ns = lambda: real_ns() + shift * 10**9
    seed = random.SystemRandom().randrange(2**31)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": f"{world_size}"}


def _live_as_rank(
    rank: int, world_size: int, folder: str, line: connection.Connection, task: Task, case: dict[str, Any]
) -> None:
    log = Log(line)
    try:
        _become_another_machine(rank, world_size)
        student = log.student()
        WatchedGroup.log = log
        distributed_c10d.ProcessGroupGloo = WatchedGroup  # so that backend "gloo" is it, for subgroups too
        store = dist.FileStore(f"{folder}/store", world_size)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size, timeout=timedelta(seconds=300))
        before = threading.enumerate()
        value = task(student, log, rank, world_size, **case)
        threads = [thread for thread in threading.enumerate() if thread not in before]
        end = time.monotonic() + THREAD_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        log.send("done", value, [thread.name for thread in threads if thread.is_alive()])
    except BaseException as error:
        log.send("raised", type(error).__name__, str(error), _traceback(error))
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        log.hold()


def _traceback(error: BaseException) -> str:
    """The traceback, as far as it runs through the student's module."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).stem == STUDENT]
    return "".join(traceback.format_list(frames) + traceback.format_exception_only(error)).rstrip()


# -- The first process -----------------------------------------------------------------------------------


class _Plain(pickle.Unpickler):
    """Loads plain data and arrays, nothing that could run code of the ranks in the first process."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in ("ndarray", "dtype", "_reconstruct", "_frombuffer"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


#: What a rank tells of a call.
_CALL = {"group": str, "name": str, "numel": int, "dtype": str, "root": int, "bytes": int, "line": int, "start": float}


class Rank:
    """A rank as the first process sees it."""

    def __init__(self, pid: int, line: connection.Connection, stack: io.BufferedRandom):
        self.pid, self.line, self.stack = pid, line, stack
        self.stage, self.stage_number = "", 0
        self.calls: list[dict[str, Any]] = []
        self.open: dict[int, dict[str, Any]] = {}
        self.done: tuple[Any, ...] | None = None
        self.raised: tuple[Any, ...] | None = None
        self.died: str | None = None
        self.deaf = False

    def calls_by_all(self) -> list[dict[str, Any]]:
        """Its calls so far in which every rank has to take part."""
        return [call for call in self.calls if not call["group"] and call["name"] not in BETWEEN_TWO]

    def listen(self) -> bool:
        """Take in one message; False when there will be none any more."""
        try:
            kind, *rest = _Plain(io.BytesIO(self.line.recv_bytes())).load()
        except (EOFError, OSError):
            self.deaf = True
            return False
        if kind == "stage":
            self.stage, self.stage_number = str(rest[0]), self.stage_number + 1
        elif kind == "enter":
            number, call = rest
            call = {key: kind(call[key]) for key, kind in _CALL.items() if call[key] is not None or kind is str}
            self.calls.append(call | {"stage": [self.stage_number, self.stage]})
            self.open[number] = self.calls[-1]
        elif kind == "leave":
            number, end = rest
            self.open.pop(number, {})["end"] = float(end)
        elif kind == "done":
            self.done = tuple(rest)
        elif kind == "raised":
            self.raised = tuple(rest)
        return True

    def look_for_death(self) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG) if self.died is None else (0, 0)
        if pid:
            while not self.deaf and self.line.poll():
                self.listen()
            code = os.waitstatus_to_exitcode(status)
            self.died = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def end(self) -> None:
        if self.died is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.line.close()
        self.stack.close()

    def activity(self) -> tuple[bool, float] | None:
        """Whether a thread of it runs or is ready to, and its CPU seconds so far; None where that cannot be seen."""
        if self.died:
            return None
        busy = False
        try:
            for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
                with contextlib.suppress(OSError):  # a thread that has just ended
                    busy |= _fields(stat)[0] in "RD"
            fields = _fields(Path(f"/proc/{self.pid}/stat"))
        except OSError:
            return None
        return busy, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def place(self) -> str:
        """The line of the student's module that it is in. The signal makes it write its stack to a file."""
        os.kill(self.pid, signal.SIGUSR1)
        for _ in range(20):
            time.sleep(0.01)
            for text in os.pread(self.stack.fileno(), 65536, 0).decode(errors="replace").splitlines():
                if f"{STUDENT}.py" in text and ", line " in text:
                    return f"line {text.partition(', line ')[2]}"
        return "an unknown line"

    def doing(self) -> str:
        """What it does, for the message on a hang."""
        if self.died:
            return self.died
        if self.raised:
            return f"raised {self.raised[0]}"
        if self.open:
            return "waits in " + _describe(next(iter(self.open.values())))
        if self.done:
            return "has finished"
        return f"is in {self.stage}, in no collective ({self.place()})"


def _fields(stat: Path) -> list[str]:
    """What /proc says of a process or thread, from its state on."""
    return stat.read_text().rpartition(")")[2].split()


def _describe(call: dict[str, Any]) -> str:
    text = call["name"]
    if call["dtype"]:
        text += f" of {call['numel']} {call['dtype']}"
    if "root" in call:
        text += f" with root {call['root']}"
    return text + (f" (line {call['line']})" if "line" in call else "")


def _same(call: dict[str, Any]) -> tuple[object, ...]:
    """What has to be the same on every rank."""
    numel = None if call["name"] in ANY_SIZE else call["numel"]
    return (*call["stage"], call["name"], numel, call["dtype"], call.get("root"))


def _disagreement(ranks: list[Rank]) -> str | None:
    """The first collective in which the ranks do not call the same, if there is one."""
    calls = [rank.calls_by_all() for rank in ranks]
    for place, row in enumerate(itertools.zip_longest(*calls)):
        present = [(call["stage"], number) for number, call in enumerate(row) if call is not None]
        gone = any(call is None and rank.done for call, rank in zip(row, ranks, strict=True))
        if len({_same(row[number]) for _, number in present}) == 1 and not gone:
            continue
        stage, first = min(present)
        earlier = sum(call["stage"] == stage for call in calls[first][:place])
        lines = [f"The ranks do not call the same collectives. In {stage[1]}, collective number {earlier + 1}:"]
        for number, (call, rank) in enumerate(zip(row, ranks, strict=True)):
            lines.append(f"  rank {number}: {_taking_part(call, rank, stage)}")
        lines.append(
            "A collective ends when all ranks have called it, in the same order, with tensors of one size and type."
        )
        return "\n".join(lines)
    return None


def _taking_part(call: dict[str, Any] | None, rank: Rank, stage: list[Any]) -> str:
    """What a rank does where others, in this stage, call a collective."""
    if call is None:
        return "none, it has left" if rank.done or rank.stage_number > stage[0] else rank.doing()
    if call["stage"] != stage:
        return f"none, it has left and is in {call['stage'][1]}"
    waits = any(call is waiting for waiting in rank.open.values())
    return ("waits in " if waits else "") + _describe(call)


def run_ranks(task: Task, world_size: int, case: dict[str, Any]) -> dict[str, Any]:
    """Run `task(student, log, rank, world_size, **case)` in `world_size` new processes.

    Gives `trouble` (what went wrong, in words, or an empty text), `values` (one per rank), `threads` (names of those
    left in the ranks), `calls` (per rank, a dictionary per collective), `not waited for` (per rank), `own network`, and a
    `timeline` that the grader can draw.
    """
    folder = tempfile.mkdtemp(prefix="ranks-", dir=Path.cwd())
    ranks: list[Rank] = []
    try:
        for rank in range(world_size):
            ranks.append(_start(rank, world_size, folder, task, case))  # noqa: PERF401 - all started must be ended
        trouble = _watch(ranks)
    finally:
        for rank in ranks:
            rank.end()
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "trouble": trouble,
        "values": [rank.done[0] if rank.done else None for rank in ranks],
        "threads": [name for rank in ranks if rank.done for name in rank.done[1]],
        "calls": [rank.calls for rank in ranks],
        "not waited for": [[_describe(call) for call in rank.open.values()] for rank in ranks],
        "own network": _has_own_network(),
        "timeline": {
            "ranks": [rank.pid for rank in ranks],
            "marks": [
                [number, call["name"], call["bytes"], call["start"], call.get("end")]
                for number, rank in enumerate(ranks)
                for call in rank.calls
            ],
        },
    }


def _has_own_network() -> bool:
    """Whether there is no network but a loopback, which the ranks have to themselves."""
    try:
        lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    except OSError:
        return False
    return [line.partition(":")[0].strip() for line in lines] == ["lo"]


def _start(rank: int, world_size: int, folder: str, task: Task, case: dict[str, Any]) -> Rank:
    ours, theirs = connection.Pipe()
    stack = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the rank
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            faulthandler.register(signal.SIGUSR1, stack, all_threads=True)
            _live_as_rank(rank, world_size, folder, theirs, task, case)
        finally:
            os._exit(0)
    theirs.close()
    return Rank(pid, ours, stack)


def _watch(ranks: list[Rank]) -> str:
    """Listen until every rank has finished or something is wrong; says what."""
    quiet = cpu_before = cpu = 0.0
    looked = time.monotonic()
    while True:
        for line in connection.wait([rank.line for rank in ranks if not rank.deaf], timeout=0.02):
            next(rank for rank in ranks if rank.line is line).listen()
            quiet, cpu_before = 0.0, cpu
        for rank in ranks:
            rank.look_for_death()
        if all(rank.done for rank in ranks):
            return _disagreement(ranks) or ""

        # Slow is not stuck: time counts as quiet only when no thread is ready to run, so that a machine which is
        # busy with something else does no harm. (Gloo's own threads wake up for a moment now and then.)
        before, looked = looked, time.monotonic()
        seen = [activity for activity in (rank.activity() for rank in ranks) if activity is not None]
        if not any(busy for busy, _ in seen):
            quiet += looked - before
        cpu = sum(seconds for _, seconds in seen)
        wrong = any(rank.raised or rank.died for rank in ranks) or _disagreement(ranks)
        if wrong and quiet > SETTLE_SECONDS:
            return _disagreement(ranks) or _failure(ranks)
        asleep = quiet > (QUIET_SECONDS if seen else BLIND_SECONDS)
        if asleep or cpu - cpu_before > BUSY_SECONDS:
            lines = [f"  rank {number}: {rank.doing()}" for number, rank in enumerate(ranks)]
            return "\n".join(["The ranks make no progress any more:", *lines, "Who waits for whom?"])


def _failure(ranks: list[Rank]) -> str:
    for number, rank in enumerate(ranks):
        if rank.died:
            return f"Rank {number} {rank.died} while it was in {rank.stage}."
    number, (kind, message, trace) = next((n, rank.raised) for n, rank in enumerate(ranks) if rank.raised)
    if kind == "NotImplementedError":
        raise NotImplementedError(message)
    return f"Rank {number} raised {kind} in {ranks[number].stage}: {message}\n{trace}"


# -- Models and data, the same in every process ----------------------------------------------------------


class Experts(nn.Module):
    """Rows whose first feature is positive also go through `sometimes`; no row goes through `never`, if it is there."""

    def __init__(self, never: bool = False) -> None:
        super().__init__()
        self.always = nn.Linear(5, 3)
        self.sometimes = nn.Linear(5, 3)
        if never:
            self.never = nn.Linear(5, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows = inputs[:, 0] > 0
        outputs = self.always(inputs[:, 1:])
        if rows.any():
            outputs = outputs.index_add(0, rows.nonzero()[:, 0], self.sometimes(inputs[rows, 1:]).tanh())
        return outputs


class Tied(nn.Module):
    """Two layers that share a weight, and a scalar parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.head = nn.Linear(6, 3)
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(inputs).tanh()).tanh()) * self.scale


class Pieces(nn.Module):
    """One square matrix, cut into `pieces` parameters."""

    def __init__(self, pieces: int, width: int = 128) -> None:
        super().__init__()
        self.pieces = nn.ParameterList(torch.randn(width // pieces, width) / width for _ in range(pieces))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ torch.cat(list(self.pieces)).T


class Remembering(nn.Module):
    """Parameters and buffers of every sort, all of them drawn from `seed`."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.fixed = nn.Parameter(torch.zeros(5), requires_grad=False)
        self.register_buffer("mean", torch.zeros(3, 2, dtype=torch.float64))
        self.register_buffer("scratch", torch.zeros(4), persistent=False)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("table", torch.zeros(6, dtype=torch.int32), persistent=False)
        self.register_buffer("mask", torch.zeros(40, dtype=torch.bool))
        self.register_buffer("nothing", None)
        drawn = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for value in [*self.parameters(), *self.buffers()]:
                if value.is_floating_point():
                    value.normal_(generator=drawn)
                else:
                    value.random_(generator=drawn)  # the whole range of its type


def _mlp(frozen: bool = False) -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3))
    if frozen:
        model[0].requires_grad_(False)
        model[2].bias.requires_grad_(False)
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": _mlp,
    "frozen": lambda: _mlp(frozen=True),
    "experts": Experts,
    "experts and an idle one": lambda: Experts(never=True),
    "tied": Tied,
    "4 pieces": lambda: Pieces(4),
    "64 pieces": lambda: Pieces(64),
}
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.05),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.02),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.02, weight_decay=0.1),
}
LOSSES: dict[str, Callable[[], nn.Module]] = {"mse": nn.MSELoss, "cross entropy": nn.CrossEntropyLoss}


class Case:
    """A small training run, made anew from plain data wherever it is needed.

    `sizes` are the ranks' shares of every batch. `expert[step][rank]` says whether that rank's rows use the
    model's `sometimes`. `late`: this rank comes late to every step. `fixed`: every step has the same batch.
    """

    def __init__(
        self,
        model: str = "mlp",
        optimizer: str = "sgd",
        loss: str = "mse",
        dtype: str = "float32",
        sizes: tuple[int, ...] | list[int] = (4, 4),
        steps: int = 1,
        seed: int = 1,
        expert: list[list[bool]] | None = None,
        late: int | None = None,
        fixed: bool = False,
    ):
        self.kind, self.optimizer_kind, self.loss_kind = model, optimizer, loss
        self.dtype = getattr(torch, dtype)
        self.sizes, self.steps, self.seed, self.expert = list(sizes), steps, seed, expert
        self.late, self.fixed = late, fixed

    def model(self, seed: int | None = None) -> nn.Module:
        torch.manual_seed(self.seed if seed is None else seed)
        return MODELS[self.kind]().to(self.dtype)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return OPTIMIZERS[self.optimizer_kind](model.parameters())

    def loss(self) -> nn.Module:
        return LOSSES[self.loss_kind]()

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of a step for all ranks. They rise from row to row: no two shards are alike."""
        rng = np.random.default_rng([self.seed, 0 if self.fixed else step])
        rows = sum(self.sizes)
        n_inputs, n_outputs = (128, 128) if "pieces" in self.kind else (6, 3)
        rise = np.linspace(0, 2, rows)[:, None]
        inputs = rng.normal(size=(rows, n_inputs)) + rise - 1
        if self.expert:
            inputs[:, 0] = np.where(np.repeat(self.expert[step], self.sizes), 1.0, -1.0)
        if self.loss_kind == "cross entropy":
            targets = torch.from_numpy(rng.integers(n_outputs, size=rows))
        else:
            targets = torch.from_numpy(rng.normal(size=(rows, n_outputs)) + rise + 1).to(self.dtype)
        return torch.from_numpy(inputs).to(self.dtype), targets

    def shard(self, step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A rank's part of a batch, in memory of its own."""
        inputs, targets = self.batch(step)
        start = sum(self.sizes[:rank])
        end = start + self.sizes[rank]
        return inputs[start:end].clone(), targets[start:end].clone()


def _arrays(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()}


def _as_number(value: object) -> float | str:
    """What `train_step` returned, if it is a float; else the name of its type."""
    return float(value) if isinstance(value, float) else type(value).__name__


# -- What the checks call --------------------------------------------------------------------------------


def train(case: dict[str, Any]) -> dict[str, Any]:
    """Let `train_step` do the steps of a case. A rank's value: `parameters` after each step, and `losses`."""
    return run_ranks(_train, len(Case(**case).sizes), case)


def _train(student: Any, log: Log, rank: int, _world_size: int, **case: Any) -> dict[str, Any]:
    run = Case(**case)
    model, loss_fn = run.model(), run.loss()
    optimizer = run.optimizer(model)
    parameters, losses = [], []
    for step in range(run.steps):
        inputs, targets = run.shard(step, rank)
        log.stage(f"train_step, step {step + 1}")
        if rank == run.late:
            time.sleep(0.05)
        losses.append(_as_number(student.train_step(model, optimizer, loss_fn, inputs, targets)))
        parameters.append(_arrays(model))
    return {"parameters": parameters, "losses": losses}


def one_process(case: dict[str, Any]) -> dict[str, Any]:
    """The same steps in one process on the whole batch, without any code of the student."""
    run = Case(**case)
    model, loss_fn = run.model(), run.loss()
    optimizer = run.optimizer(model)
    parameters, losses, shard_losses = [], [], []
    for step in range(run.steps):
        inputs, targets = run.batch(step)
        with torch.no_grad():
            shards = [run.shard(step, rank) for rank in range(len(run.sizes))]
            shard_losses.append([loss_fn(model(inputs), targets).item() for inputs, targets in shards])
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        parameters.append(_arrays(model))
    return {"parameters": parameters, "losses": losses, "shard_losses": shard_losses}


#: Mistakes that leave a signature in the parameters, and how to say so.
MISTAKES = {
    "none": "every rank stepping with its own gradients alone, as if there were no others",
    "sum": "gradients added up over the ranks, where one process has the mean over the batch",
    "plain": "every rank counting the same, however many items its shard has",
    "shrunk": "gradients divided once too often",
    "stale": "gradients of earlier steps that are still there when the next backward adds to them",
    "late": "every rank stepping on its own and only the parameters being averaged afterwards",
}


def looks_like(case: dict[str, Any], seen: list[dict[str, np.ndarray]]) -> str:
    """Which known mistake would give rank 0 these parameters after each step, in words; empty when none would."""
    for mistake, words in MISTAKES.items():
        if any(_alike(_make(Case(**case), mistake, plain), seen) for plain in (False, True)):
            return words
    return ""


def _alike(made: list[dict[str, np.ndarray]], seen: list[dict[str, np.ndarray]]) -> bool:
    """Whether two training runs went through the same parameters."""
    return all(
        value.shape == there.get(name, np.empty(0)).shape and np.allclose(value, there[name], rtol=0, atol=1e-5)
        for here, there in zip(made, seen, strict=True)
        for name, value in here.items()
    )


def _make(run: Case, mistake: str, plain: bool) -> list[dict[str, np.ndarray]]:
    """Parameters of rank 0 after each step when a mistake is made; `plain`: shards weigh the same besides."""
    world_size = len(run.sizes)
    models = [run.model() for _ in run.sizes]
    optimizers = [run.optimizer(model) for model in models]
    loss_fn, history = run.loss(), []
    shares = [1 / world_size if plain or mistake == "plain" else size / sum(run.sizes) for size in run.sizes]
    if mistake in ("sum", "shrunk"):
        shares = [1.0 if mistake == "sum" else share / world_size for share in shares]
    for step in range(run.steps):
        for rank, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            if mistake != "stale":
                optimizer.zero_grad()
            inputs, targets = run.shard(step, rank)
            loss_fn(model(inputs), targets).backward()
        if mistake not in ("none", "late"):
            _average(models, shares, "grad")
        for optimizer in optimizers:
            optimizer.step()
        if mistake == "late":
            _average(models, shares, "data")
        history.append(_arrays(models[0]))
    return history


def _average(models: list[nn.Module], shares: list[float], what: str) -> None:
    for parameters in zip(*(model.parameters() for model in models), strict=True):
        values = [getattr(parameter, what) for parameter in parameters]
        if any(value is not None for value in values):
            present = [(share, value) for share, value in zip(shares, values, strict=True) if value is not None]
            mean = sum(share * value for share, value in present)
            for parameter in parameters:
                setattr(parameter, what, mean.clone())


def broadcast(world_size: int, seed: int) -> dict[str, Any]:
    """Let every rank make a model and call `broadcast_parameters`. A rank's value: what it holds then."""
    return run_ranks(_broadcast, world_size, {"seed": seed})


def _broadcast(student: Any, log: Log, rank: int, _world_size: int, seed: int) -> dict[str, Any]:
    model = Remembering(seed + rank)
    log.stage("broadcast_parameters")
    student.broadcast_parameters(model)
    return _held(model)


def _held(model: nn.Module) -> dict[str, Any]:
    entries = [*model.named_parameters(), *model.named_buffers()]
    return {
        "values": {name: value.detach().numpy().copy() for name, value in entries},
        "frozen": sorted(name for name, parameter in model.named_parameters() if not parameter.requires_grad),
    }


def made_by_rank_0(seed: int) -> dict[str, Any]:
    """What rank 0 holds before the broadcast."""
    return _held(Remembering(seed))


def deal(world_size: int, calls: list[tuple[int, int, int]]) -> dict[str, Any]:
    """Let every rank call `shard(n_items, rank, ...)` for each `(n_items, seed, epoch)`."""
    return run_ranks(_deal, world_size, {"calls": calls})


def _deal(student: Any, log: Log, rank: int, world_size: int, calls: list[tuple[int, int, int]]) -> list[Any]:
    log.stage("shard")
    return [_indices(student.shard(n_items, rank, world_size, seed, epoch)) for n_items, seed, epoch in calls]


def _indices(value: object) -> list[int] | str:
    """A list of whole numbers, or what was returned in its place."""
    if not isinstance(value, list):
        return type(value).__name__
    odd = [type(item).__name__ for item in value if not isinstance(item, int | np.integer) or item is True]
    return f"list with a {odd[0]} in it" if odd else [int(item) for item in value]


def epochs(world_size: int, case: dict[str, Any]) -> dict[str, Any]:
    """The whole of it: different models, broadcast, then a step per epoch on the rank's shard of the one batch.

    The case's `sizes` is the number of items alone, `steps` that of epochs. A rank's value is as in `train`.
    """
    return run_ranks(_epochs, world_size, case)


def _epochs(student: Any, log: Log, rank: int, world_size: int, **case: Any) -> dict[str, Any]:
    run = Case(**case)
    model, loss_fn = run.model(run.seed + rank), run.loss()
    log.stage("broadcast_parameters")
    student.broadcast_parameters(model)
    optimizer = run.optimizer(model)
    inputs, targets = run.batch(0)
    parameters, losses = [], []
    for epoch in range(run.steps):
        log.stage(f"shard, epoch {epoch}")
        mine = student.shard(len(inputs), rank, world_size, run.seed, epoch)
        log.stage(f"train_step, epoch {epoch}")
        losses.append(_as_number(student.train_step(model, optimizer, loss_fn, inputs[mine], targets[mine])))
        parameters.append(_arrays(model))
    return {"parameters": parameters, "losses": losses}
