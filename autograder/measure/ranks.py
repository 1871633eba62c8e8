"""Starts the ranks of a process group, listens to them, and says what went wrong: who raised, died, or waits where.

This module runs inside the sandbox, in the process of a call, which forks one process per rank and never imports the
student's module itself: only the ranks do. Each tells of every call of the group as it begins and ends. So a hang is seen
as it happens, with the call in which each rank waits.
"""

import contextlib
import faulthandler
import io
import itertools
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch

from autograder.measure import process_groups
from autograder.measure.happens_before import Begun, Changed, Ended, Step, changed_on_their_way
from autograder.measure.process_groups import Network as Network
from autograder.measure.rank import Log as Log
from autograder.measure.rank import Task, live

#: Seconds without a message, all threads of all ranks asleep, before the ranks count as stuck.
QUIET_SECONDS = 1.0
#: CPU seconds without any collective before a rank counts as one that computes for ever.
BUSY_SECONDS = 4.0
#: Where the system does not show what threads do: seconds without a message.
BLIND_SECONDS = 8.0
#: Seconds of quiet that the other ranks get to tell their part once something went wrong.
SETTLE_SECONDS = 0.2


class _Plain(pickle.Unpickler):
    """Loads plain data and arrays, nothing that could run code of the ranks in the first process."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in ("ndarray", "dtype", "_reconstruct", "_frombuffer"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


#: What a rank tells of a call.
_CALL: dict[str, Callable[[Any], Any]] = {
    "group": str,
    "name": str,
    "numel": int,
    "dtype": str,
    "root": int,
    "peer": int,
    "tag": int,
    "bytes": int,
    "line": int,
    "start": float,
    "aside": bool,
}
#: What it tells of its end. The peer of a message that was awaited from any rank is known only then.
_END: dict[str, Callable[[Any], Any]] = {"end": float, "peer": int}


class Rank:
    """A rank as the first process sees it."""

    def __init__(self, pid: int, line: connection.Connection, stack: io.BufferedRandom, student: str):
        self.pid, self.line, self.stack, self.student = pid, line, stack, student
        self.stage, self.stage_number = "", 0
        self.calls: list[dict[str, Any]] = []
        self.open: dict[int, dict[str, Any]] = {}
        #: What happened, in order, in the form that `autograder.measure.replay` reads.
        self.events: list[list[Any]] = []
        #: The same as messages alone, for `happens_before`.
        self.steps: list[Step] = []
        #: Rank, name, bytes, start and end of each piece of work, for the timeline.
        self.works: list[list[Any]] = []
        self.done: tuple[Any, ...] | None = None
        self.raised: tuple[Any, ...] | None = None
        self.died: str | None = None
        self.deaf = False

    def calls_by_all(self) -> list[dict[str, Any]]:
        """Its calls so far in which every rank has to take part."""
        return [call for call in self.calls if not call["group"] and call["name"] not in process_groups.BETWEEN_TWO]

    def listen(self) -> bool:
        """Take in one message; False when there will be none any more."""
        try:
            kind, *rest = _Plain(io.BytesIO(self.line.recv_bytes())).load()
        except (EOFError, OSError):
            self.deaf = True
            return False
        if kind == "stage":
            self.stage, self.stage_number = str(rest[0]), self.stage_number + 1
            self.events.append(["stage", self.stage])
        elif kind == "enter":
            number, call = rest
            call = {key: kind(call[key]) for key, kind in _CALL.items() if call[key] is not None or kind is str}
            self.calls.append(call | {"stage": [self.stage_number, self.stage]})
            self.open[number] = self.calls[-1]
            about = (call["name"], call["group"], call.get("peer"), call["bytes"], call["aside"])
            self.events.append(["begin", int(number), *about])
            self.steps.append(Begun(self.calls[-1]))
        elif kind == "leave":
            number, end = rest
            call = self.open.pop(number, {})
            call.update({key: kind(end[key]) for key, kind in _END.items() if key in end})
            self.events.append(["end", int(number)])
            self.steps.append(Ended(call))
        elif kind == "changed":
            if (call := self.open.get(rest[0])) is not None:
                self.steps.append(Changed(call))
        elif kind == "work":
            name, seconds, number, start, end, aside = rest
            self.works.append([str(name), 0, float(start), float(end)])
            self.events.append(["work", str(name), float(seconds), int(number), bool(aside)])
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
                if f"{self.student}.py" in text and ", line " in text:
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
    text = str(call["name"])
    if call["dtype"]:
        text += f" of {call['numel']} {call['dtype']}"
    if "root" in call:
        text += f" with root {call['root']}"
    if call["name"] in process_groups.BETWEEN_TWO:
        way = "to" if call["name"] == "send" else "from"
        text += f" {way} rank {call['peer']}" if "peer" in call else f" {way} any rank"
    return text + (f" (line {call['line']})" if "line" in call else "")


def _same(call: dict[str, Any]) -> tuple[object, ...]:
    """What has to be the same on every rank."""
    numel = None if call["name"] in process_groups.ANY_SIZE else call["numel"]
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


def run_ranks(
    student: str, task: Task, world_size: int, case: dict[str, Any], network: Network | None = None
) -> dict[str, Any]:
    """Run ``task(module, log, rank, world_size, **case)`` in ``world_size`` new processes, each with the student's module.

    The task tells ``log`` of its stages and of its work. A ``network`` makes messages slow.

    Returns:
        ``trouble`` (what went wrong, in words, or an empty text), ``values`` (one per rank), ``threads`` (names of those
        left in the ranks), ``calls`` (per rank, a dictionary per call of the group; one that sent what was changed on its
        way has ``changed``), ``events`` (per rank, for
        ``replay``), ``not waited for`` (per rank), ``own network``, and a ``timeline`` that the grader can draw.
    """
    torch.set_num_threads(1)  # ranks forked after an operation with more threads would hang
    folder = tempfile.mkdtemp(prefix="ranks-", dir=Path.cwd())
    ranks: list[Rank] = []
    try:
        for number in range(world_size):
            # Kept at once: all that have been started must be ended.
            ranks.append(_start(student, number, world_size, folder, task, case, network or Network(), tuple(ranks)))
        trouble = _watch(ranks)
    finally:
        for rank in ranks:
            rank.end()
        shutil.rmtree(folder, ignore_errors=True)
    for call in changed_on_their_way([rank.steps for rank in ranks]):
        call["changed"] = True
    return {
        "trouble": trouble,
        "values": [rank.done[0] if rank.done else None for rank in ranks],
        "threads": [name for rank in ranks if rank.done for name in rank.done[1]],
        "calls": [rank.calls for rank in ranks],
        "events": [rank.events for rank in ranks],
        "not waited for": [[_describe(call) for call in rank.open.values()] for rank in ranks],
        "own network": _has_own_network(),
        "timeline": {
            "ranks": [rank.pid for rank in ranks],
            "marks": [
                [number, call["name"], call["bytes"], call["start"], call.get("end")]
                for number, rank in enumerate(ranks)
                for call in rank.calls
            ]
            + [[number, *work] for number, rank in enumerate(ranks) for work in rank.works],
        },
    }


def _has_own_network() -> bool:
    """Whether there is no network but a loopback, which the ranks have to themselves."""
    try:
        lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    except OSError:
        return False
    return [line.partition(":")[0].strip() for line in lines] == ["lo"]


def _start(
    student: str,
    rank: int,
    world_size: int,
    folder: str,
    task: Task,
    case: dict[str, Any],
    network: Network,
    others: tuple[Rank, ...],
) -> Rank:
    ours, theirs = connection.Pipe()
    stack = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the rank
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    if pid == 0:
        try:
            for connected in (ours, *(other.line for other in others)):
                connected.close()  # this rank is to talk to the first process alone, and to hear when that has gone
            faulthandler.register(signal.SIGUSR1, stack, all_threads=True)
            live(student, rank, world_size, folder, theirs, task, case, network)
        finally:
            os._exit(0)
    theirs.close()
    return Rank(pid, ours, stack, student)


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
