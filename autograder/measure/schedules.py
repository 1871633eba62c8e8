"""Run workers under a plan that says at which step which thread goes on: one execution, repeatable to the last step.

One thread runs at a time. It keeps running until it waits for another, ends, or reaches a step where the plan switches.

This module runs inside the sandbox, beside student code.
"""

import contextlib
import functools
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import get_ident

from frontrun import _cooperative as frontrun
from frontrun._real_threading import lock as real_lock
from frontrun._virtual_clock import VirtualClock

from autograder.measure import primitives
from autograder.measure.steps import Line, Recorder
from autograder.measure.tracing import Abandoned, Traced, Tracing

#: Steps that one execution may take, and the most that a thread takes in a row while others could run.
MOST_STEPS = 6_000
PATIENCE = 400
#: The same for a thread that has just tried in vain.
SHORT_PATIENCE = 8
#: Real seconds for an execution: longer means that a thread waits for something that nobody here controls.
MOST_SECONDS = 4.0

#: At this step, this thread goes on.
Plan = dict[int, int]


@dataclass
class Execution:
    """What one execution was like."""

    plan: Plan = field(default_factory=dict)
    #: The lines in the order in which they ran, a line's own repetitions left out.
    lines: list[Line] = field(default_factory=list)
    #: The thread that came to each step, and those that could have gone on there.
    steps: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    #: "": all threads came to their end. Else "deadlock", "endless", or "stuck" (out of the explorer's reach).
    trouble: str = ""
    #: Whether a thread tried for a lock in vain and went on without it.
    tried: bool = False


class Turns:
    """Decides who runs, in the words that frontrun's primitives use with a scheduler."""

    def __init__(
        self,
        threads: int,
        plan: Plan,
        seed: int,
        most_steps: int,
        on_trouble: Callable[[], None],
        has_threads: Callable[[], bool],
    ) -> None:
        self.execution = Execution(plan)
        self._has_threads = has_threads
        self._on_trouble = on_trouble
        self.virtual_clock = VirtualClock()
        self._plan = plan
        self._most_steps = most_steps
        self._alive = list(range(threads))
        self._running = -1
        self._in_a_row = 0
        self._limit = PATIENCE
        #: Nothing has happened since the last step: another one now would be the same.
        self._just_stepped = False
        self._random = random.Random(seed)
        #: What a thread waits for, and until when at most.
        self._blocked: dict[int, int] = {}
        self._timed: dict[int, float] = {}
        self._batons = [real_lock() for _ in range(threads)]
        for baton in self._batons:
            baton.acquire()
        # frontrun's primitives look at these two.
        self._finished = False
        self._error: Exception | None = None

    @property
    def over(self) -> bool:
        """Whether the execution was given up."""
        return self._error is not None

    # -- a thread's life

    def begin(self, first: int) -> None:
        """Let the first thread run."""
        self._wake(first)

    def enter(self, thread: int) -> None:
        """Wait for the first turn."""
        self._wait(thread)

    def leave(self, thread: int) -> None:
        """The thread has come to its end: another goes on."""
        self._alive.remove(thread)
        self._blocked.pop(thread, None)
        if self._alive and not self.over:
            self._pass_on(thread)

    def give_up(self, trouble: str) -> None:
        """End the execution: every thread is woken, and abandons what it does at its next step."""
        if self._error is None:
            self.execution.trouble = trouble
            self._on_trouble()
            self._error = RuntimeError(trouble)
            for baton in self._batons:
                if baton.locked():
                    baton.release()

    # -- steps

    def step(self, thread: int) -> bool:
        """``thread`` is about to take a step: it goes on, or another goes first; whether one did."""
        if self.over:
            raise Abandoned
        here = len(self.execution.steps)
        # Who waits with a time limit can go on at any moment: when the time is up.
        ready = tuple([other for other in self._alive if other not in self._blocked or other in self._timed])
        self.execution.steps.append((thread, ready))
        if here >= self._most_steps:
            self._abandon("endless")
        self._in_a_row += 1
        target = self._plan.get(here)
        if target is None and self._in_a_row > self._limit:
            target = self._another(thread)
        others_run = target is not None and target != thread and target in ready
        if others_run and target is not None:
            if target in self._blocked:
                self._time_is_up(target)
            self._hand_over(thread, target)
        self._just_stepped = True
        return others_run

    def wait_for_turn(self, thread: int) -> bool:
        """``thread`` sleeps, or says that it can wait: others go first."""
        if self.over:
            raise Abandoned
        self.execution.steps.append((thread, (thread,)))
        if len(self.execution.steps) > self._most_steps:
            self._abandon("endless")
        if (target := self._another(thread)) is not None:
            self._hand_over(thread, target)
        return True

    def before_sync_retry(self, thread: int) -> bool:
        """``thread`` is about to try a lock."""
        if not self._just_stepped:
            self.step(thread)
        return True

    def after_sync_retry(self, thread: int) -> None:
        """It has tried. If it must wait, others go on until it need not."""
        # Who goes on is asked once: as soon as another has been woken it may run, end, and give the turn back.
        if thread in self._blocked and self._pass_on(thread) != thread:
            self._wait(thread)

    def report(self, event: str, lock: int, _primitive: object) -> None:
        """What the primitives tell."""
        self._just_stepped = False
        if event in ("lock_wait", "event_wait"):
            self._blocked[self._running] = lock
        elif event in ("lock_release", "event_set"):
            self._blocked = {thread: other for thread, other in self._blocked.items() if other != lock}
        elif event == "lock_attempt_fail":
            self._lose_patience()

    # -- waiting with a time limit: the time is up when nobody else can go on

    def add_timed_wait(self, thread: int, deadline: float | None = None, *, timeout: float = 0.0) -> float:
        """``thread`` waits until then at most."""
        self.execution.tried = True
        self._timed[thread] = self.virtual_clock.now() + timeout if deadline is None else deadline
        return self._timed[thread]

    def remove_timed_wait(self, thread: int) -> None:
        """``thread`` waits no longer."""
        self._timed.pop(thread, None)

    def give_up_timed_wait(self, thread: int) -> None:
        """``thread``'s time was up."""
        self._timed.pop(thread, None)
        self._blocked.pop(thread, None)
        self._lose_patience()

    # -- who is next

    def _another(self, thread: int) -> int | None:
        ready = [other for other in self._alive if other not in self._blocked and other != thread]
        return next((other for other in ready if other > thread), ready[0] if ready else None)

    def _pass_on(self, thread: int) -> int | None:
        """Have another go on, or ``thread`` itself; gives which, if anyone."""
        target = self._another(thread)
        if target is None and self._timed:
            target = min(self._timed, key=lambda other: (self._timed[other], other))
            self._time_is_up(target)
        if target is None:
            # Threads of the student's own could still wake one that waits.
            self.give_up("stuck" if self._has_threads() else "deadlock")
            if thread in self._alive:
                raise Abandoned
        elif target == thread:
            self._running = thread
        else:
            self._wake(target)
        return target

    def _time_is_up(self, thread: int) -> None:
        self.virtual_clock.advance_to(self._timed[thread])
        self._blocked.pop(thread, None)

    def _abandon(self, trouble: str) -> None:
        self.give_up(trouble)
        raise Abandoned

    def _hand_over(self, thread: int, target: int) -> None:
        self._wake(target)
        self._wait(thread)

    def _lose_patience(self) -> None:
        self.execution.tried = True
        self._limit = self._in_a_row + self._random.randrange(SHORT_PATIENCE)

    def _wake(self, target: int) -> None:
        if self.over:
            raise Abandoned
        self._in_a_row = 0
        # Turns of different lengths: threads that try and let go again must not keep in step for ever.
        self._limit = self._random.randrange(PATIENCE // 8, PATIENCE)
        self._running = target
        self._batons[target].release()

    def _wait(self, thread: int) -> None:
        if not self._batons[thread].acquire(timeout=2 * MOST_SECONDS):
            self.give_up("stuck")
        if self.over:
            raise Abandoned


class Member:
    """A thread that does one job after the other."""

    def __init__(self) -> None:
        self._job: Callable[[], None] | None = None
        self._go, self._done = real_lock(), real_lock()
        self._go.acquire()
        self._done.acquire()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def begin(self, job: Callable[[], None]) -> None:
        """Start with the job."""
        self._job = job
        self._go.release()

    def ended(self, seconds: float) -> bool:
        """Wait for the end of the job, so long at most; whether it came."""
        return bool(self._done.acquire(timeout=seconds))

    def dismiss(self) -> None:
        """End the thread, and wait for that unless it is stuck in its job."""
        self._job = None
        if self._go.locked():
            self._go.release()
        self._thread.join(0.2)

    def _work(self) -> None:
        while self._go.acquire() and (job := self._job) is not None:
            with contextlib.suppress(BaseException):  # sys.exit() ends a thread, and says nothing
                job()
            self._job = None
            self._done.release()


class Crew:
    """The threads of one execution after the other: making new ones each time would take a quarter of it.

    After an execution that was given up it must be dismissed, as some of its threads may still be in it.
    """

    def __init__(self) -> None:
        self._members: list[Member] = []

    def start(self, jobs: Sequence[Callable[[], None]]) -> list[Member]:
        """Have each job done by a thread."""
        while len(self._members) < len(jobs):
            self._members.append(Member())
        busy = self._members[: len(jobs)]
        for member, job in zip(busy, jobs, strict=True):
            member.begin(job)
        return busy

    def dismiss(self) -> None:
        """Let all threads go. The next execution has new ones."""
        while self._members:
            self._members.pop().dismiss()


def run(
    crew: Crew,
    workers: Sequence[Callable[[], None]],
    plan: Plan,
    recorder: Recorder,
    tracing: Tracing,
    on_trouble: Callable[[], None],
    first: int,
    seed: int = 0,
    most_steps: int = MOST_STEPS,
) -> Execution:
    """Run the workers, each in a thread of the crew, as the plan says.

    ``on_trouble`` is called where an execution is given up, while all is still as it was then.
    """
    turns = Turns(len(workers), plan, seed, most_steps, on_trouble, recorder.has_threads)
    turns.execution.lines = recorder.lines
    witness = primitives.state.witness

    def told(event: str, primitive: object) -> None:
        if witness is not None:
            witness(event, primitive)
        turns.report(event, id(primitive), primitive)

    def live(traced: Traced, thread: int, worker: Callable[[], None]) -> None:
        try:
            turns.enter(thread)
            frontrun.set_context(turns, thread)
            frontrun.set_sync_reporter(turns.report)
            primitives.state.steered[get_ident()] = told
            try:
                with traced(thread):
                    worker()
            finally:
                primitives.state.steered.pop(get_ident(), None)
                frontrun.set_sync_reporter(None)
                frontrun.clear_context()
                turns.leave(thread)
        except (Abandoned, frontrun.SchedulerAbort):
            pass

    with tracing.steered_by(turns) as traced:
        jobs = [functools.partial(live, traced, number, worker) for number, worker in enumerate(workers)]
        members = crew.start(jobs)
        turns.begin(first)
        for member in members:
            if not member.ended(MOST_SECONDS):
                turns.give_up("stuck")
                member.ended(0.2)
    return turns.execution
