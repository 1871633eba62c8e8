"""The pipeline: a model in stages, naively and in micro-batches.

Each stage is a process that hands activations on to the next one and gradients back, through pipes. First the whole batch goes
through all stages at once; then the same batch in micro-batches, forward and then backward (the schedule of GPipe).

Computing is a wait of a fixed length here, as a process waits for its GPU: so the picture depends on no number of cores.
"""

from dataclasses import dataclass
from multiprocessing import Pipe

from rich.text import Text

from autograder.demos.children import Turn, pipeline_stage
from autograder.demos.crew import QUICKEST, Crew
from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import Drawing, heading, ms

STAGES = 4
#: For the whole batch in one stage, in one direction.
BATCH_SECONDS = 0.12
FORWARD, BACKWARD = "123456789", "ABCDEFGHI"
_WIDTH = 64

AFTER = """
Naively one stage works and the others wait: a share of (p-1)/p of the time of p stages is lost, and p GPUs are no quicker than one.
With m micro-batches a stage begins as soon as the first of them is there, and all stages work at the same time, but at the
beginning and at the end: the idle share is (p-1)/(m+p-1) (Huang et al., GPipe, 2019). More micro-batches make it smaller, until each is
too small to keep a GPU busy; all activations of a batch must be kept until its backward pass.

The gradients are those of the whole batch, summed over the micro-batches (demo gradients).
"""


@dataclass(frozen=True)
class Schedule:
    """What each stage did, in order."""

    micro_batches: int
    stages: tuple[tuple[Turn, ...], ...]

    @property
    def start(self) -> float:
        """When the first stage began."""
        return min(turn.start for stage in self.stages for turn in stage)

    @property
    def seconds(self) -> float:
        """Until the last one ended."""
        return max(turn.end for stage in self.stages for turn in stage) - self.start

    @property
    def idle(self) -> float:
        """Share of all stages' time in which they did nothing."""
        busy = sum(turn.end - turn.start for stage in self.stages for turn in stage)
        return 1 - busy / (len(self.stages) * self.seconds)

    @property
    def predicted_idle(self) -> float:
        """The same by the formula, which knows no overhead."""
        stages = len(self.stages)
        return (stages - 1) / (self.micro_batches + stages - 1)


def measure(size: int) -> tuple[Schedule, Schedule]:
    """The naive schedule, and the one with `size` micro-batches."""
    return _run(1), _run(size)


def _run(micro_batches: int) -> Schedule:
    links = [Pipe() for _ in range(STAGES - 1)]
    try:
        with Crew() as crew:
            members = [
                crew.start(
                    QUICKEST,
                    pipeline_stage,
                    micro_batches,
                    BATCH_SECONDS / micro_batches,
                    links[rank - 1][1] if rank else None,
                    links[rank][0] if rank < STAGES - 1 else None,
                )
                for rank in range(STAGES)
            ]
            for member in members:  # all are there before the first begins
                member.hear()
            for member in members:
                member.tell()
            return Schedule(micro_batches, tuple(tuple(member.hear()) for member in members))
    finally:
        for link in links:
            for end in link:
                end.close()


def draw(schedules: tuple[Schedule, Schedule]) -> Drawing:
    """A row for each stage of both schedules, on one scale of time, and the idle shares."""
    naive, pipelined = schedules
    longest = max(naive.seconds, pipelined.seconds)
    lines: list[Text] = []
    for name, schedule in (("naive: one batch", naive), (f"{pipelined.micro_batches} micro-batches", pipelined)):
        lines.append(Text(f"{name}, {ms(schedule.seconds)}", style="bold"))
        for rank, turns in enumerate(schedule.stages):
            line = Text(f"  stage {rank}  ")
            for sign in strip(turns, schedule.start, schedule.seconds, longest):
                line.append(sign, style="green" if sign in FORWARD else "cyan" if sign in BACKWARD else "dim")
            lines.append(line)
        formula = f"(p-1)/(m+p-1) says {schedule.predicted_idle:.0%}"
        lines.append(heading(f"  idle {schedule.idle:.0%} of the stages' time; {formula}"))
    lines.append(
        heading(
            f"1 2 3 forward  A B C backward of 1 2 3  · idle; {naive.seconds / pipelined.seconds:.1f} times as fast"
        )
    )
    return Drawing.of(lines)


def strip(turns: tuple[Turn, ...], origin: float, seconds: float, longest: float) -> str:
    """What a stage did, a character for each moment: a digit is forward, a letter backward, a dot idle."""
    width = max(1, round(seconds / longest * _WIDTH))
    found = []
    for cell in range(width):
        moment = origin + (cell + 0.5) / width * seconds
        now = next((turn for turn in turns if turn.start <= moment < turn.end), None)
        found.append("·" if now is None else (BACKWARD if now.backward else FORWARD)[now.micro])
    return "".join(found)


DEMO = Demo(
    name="pipeline",
    exercise="pipeline",
    text=__doc__,
    after=AFTER,
    size=Size("micro-batches", default=4, least=2, most=len(FORWARD)),
    measure=measure,
    draw=draw,
)
