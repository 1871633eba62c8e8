"""The drawings are made of data alone: made-up data gives the same lines everywhere."""

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from autograder.demos import (
    fork_random,
    gil,
    gradients,
    many,
    memory,
    pipeline,
    race,
    scaling,
    thousand_ranks,
    who_is_who,
)
from autograder.demos.children import MIB, Batch, Memory, Piece, Turn
from autograder.demos.drawing import Drawing, cells
from autograder.demos.lockstep import Step
from autograder.measure.hockney import Hockney


def _lines(drawing: Drawing) -> list[str]:
    return str(drawing).splitlines()


PEOPLE = [
    who_is_who.Person(10, 1, 10, "", "bash", None, 0),
    who_is_who.Person(20, 10, 20, "", "autograder demo who-is-who", None, 1),
    who_is_who.Person(21, 20, 20, "fork", "autograder demo who-is-who", True, 2),
    who_is_who.Person(22, 20, 20, "spawn", "python -c " + "x" * 100, False, 2),
]


def test_the_tree_of_processes() -> None:
    """Children below their parents, long commands cut, and who does not agree is counted."""
    *lines, counted = _lines(who_is_who.draw(PEOPLE))
    assert [
        "pid                    ppid   pgid  by     command",
        "10                        1     10  -      bash",
        "└─ 20                    10     20  -      autograder demo who-is-who",
        "   ├─ 21                 20     20  fork   autograder demo who-is-who",
        "   └─ 22                 20     20  spawn  python -c xxxxxxxxxxxxxxxxxxxxxxx...",
    ] == lines
    assert "1 of 2 children say of themselves what the kernel says of them" == counted


MEMORY = [
    memory.Line("whole", Memory(40 * MIB, 40 * MIB, 40 * MIB)),
    memory.Line("half", Memory(40 * MIB, 30 * MIB, 20 * MIB)),
]


def test_memory_is_its_own_or_shared() -> None:
    """The bar is RSS; the part of it that is USS is filled."""
    whole, half = _lines(memory.draw(MEMORY))[1:]
    assert "whole                40.0   40.0   40.0  " + "█" * 36 == whole
    assert "half                 40.0   30.0   20.0  " + "█" * 18 + "░" * 18 == half


def test_memory_where_no_pss_is_told() -> None:
    """As on macOS: a dash, and a line that says so."""
    lines = _lines(memory.draw([memory.Line("one", Memory(MIB, None, MIB))]))
    assert "one                   1.0      -    1.0" in lines[1]
    assert "PSS is told by Linux only." == lines[-1]


CROWD = many.Crowd(
    1000,
    Batch(1000, 0.1, 0.05, 16 * 1024),
    (Batch(250, 0.25, 0.05, 512 * 1024), Batch(250, 0.35, 0.05, 512 * 1024)),
)


def test_many_says_what_was_measured_and_what_not() -> None:
    """Figures for one and for all, and how long the rest would have taken."""
    text = str(many.draw(CROWD))
    for wanted in (
        "100 µs",
        "1,200 µs",
        "700 ms for 500",
        "512 KiB",
        "250 MiB for 500",
        "measured: 1,000 threads, all alive at once; 500 processes, 250 alive at once",
        "stopped before 1,000 processes; at this pace they take 1,400 ms",
    ):
        assert wanted in text
    assert "gave no more" not in text


def test_many_where_the_system_sets_limits() -> None:
    """Fewer threads than asked for, no process at all, and memory that may not be looked at."""
    text = str(many.draw(many.Crowd(10, Batch(7, 0.1, 0.1, None), (Batch(0, 0.1, 0.1, None),))))
    assert "the system gave no more than 7 of 10 threads" in text
    assert "cannot be seen here" in text


def _run(work: gil.Work, workers: gil.Workers, seconds: float, *pieces: tuple[Piece, ...]) -> gil.Run:
    return gil.Run(work, workers, 0.0, seconds, tuple(range(2, 2 + len(pieces))), pieces)


TURNS = tuple(tuple(Piece(0.1 * n, 0.1 * n + 0.1, 0.1) for n in range(first, 4, 2)) for first in (0, 1))
RUNS = gil.Runs(
    (
        _run(gil.Work.WAITING, gil.Workers.THREADS, 0.4, ()),
        _run(gil.Work.COMPUTING, gil.Workers.THREADS, 0.4, ()),
        _run(gil.Work.COMPUTING, gil.Workers.THREADS, 0.4, *TURNS),
        _run(gil.Work.COMPUTING, gil.Workers.PROCESSES, 0.2, TURNS[0], TURNS[0]),
    ),
    "3.11.7",
    True,
    2,
    5.0,
)


def test_gil_has_bars_and_timelines() -> None:
    """Bars for every run; who ran when for two workers that compute; and a word where the machine was busy."""
    text = str(gil.draw(RUNS))
    for wanted in (
        "  1 thread     " + "█" * 36 + "   400 ms     1.0x",
        "  2 processes  " + "█" * 18 + " " * 18 + "   200 ms     2.0x",
        "computing: 2 threads",
        "computing: 2 processes",
        "Python 3.11.7 with a GIL, 2 cores, load average 5.0",
        "Other programs used the cores",
    ):
        assert wanted in text
    first, second = (line for line in text.splitlines() if line.strip().startswith("thread "))
    assert first.count("█") == second.count("█") > 10, "they took turns"


RACE = race.Race(
    code=((36, "LOAD_ATTR", "value"), (50, "STORE_ATTR", "value")),
    steps=(Step(0, 36, 0), Step(1, 36, 0), Step(0, 50, 0), Step(1, 50, 1)),
    after=1,
    led=race.Tally(2, 1),
    locked=race.Tally(2, 2),
    free=race.Tally(60_000, 60_000),
    free_with_call=race.Tally(60_000, 40_000),
)


def test_race_shows_the_interleaving() -> None:
    """A column for each thread, the counter where it was written, and what was lost."""
    lines = _lines(race.draw(RACE))
    table = lines[lines.index("  thread 1                  thread 2                  counter.value") + 1 :]
    assert [
        "  LOAD_ATTR value",
        "                            LOAD_ATTR value",
        "  STORE_ATTR value                                    1",
        "                            STORE_ATTR value          1",
        "  both threads have added 1, and the counter is 1",
    ] == table[:5]
    assert "20,000 of 60,000 updates lost" in lines[-1]


DRAWS = fork_random.Draws(
    tuple(tuple((0.5,) * 2 if source == 1 else (0.1 * worker, 0.5) for worker in range(6)) for source in range(4)),
    tuple(tuple((0.5,) * 2 if source == 1 else (0.2 * worker, 0.5) for worker in range(6)) for source in range(4)),
)


def test_equal_numbers_are_named() -> None:
    """Sources with the same numbers in all workers, and those that come again in the next run."""
    _, first, second, *_, hidden = _lines(fork_random.draw(DRAWS))
    assert ("all different", "others") == (first[58:72].strip(), first[72:].strip())
    assert ("ALL EQUAL", "the same") == (second[58:72].strip(), second[72:].strip())
    assert "not shown: 3 more workers" == hidden


CURVE = scaling.Curve(
    {1: scaling.Taken(0.44, 0.44), 2: scaling.Taken(0.22, 0.22), 4: scaling.Taken(0.22, 0.12)},
    physical=2,
    logical=4,
    usable=2,
    load=0.5,
)


def test_scaling_has_the_ideal_and_the_cores() -> None:
    """The ideal stands in the bar at 1/x, what was waiting is drawn apart, and the cores end where they do."""
    _, one, two, cores, four, rest = _lines(scaling.draw(CURVE))
    assert "      1  " + "█" * 43 + "│     440 ms     1.0x" == one
    assert "      2  " + "█" * 21 + "│" + " " * 22 + "     220 ms     2.0x" == two
    assert "         ────── 2 physical cores, 2 cores that may be used" == cores
    assert "      4  " + "█" * 10 + "│█" + "░" * 10 + " " * 22 + "     220 ms     2.0x" == four
    assert "not reached: 4 logical cores" == rest


GRADIENTS = gradients.Gradients(
    gradients.Shard(4, (1.0, 2.0, 3.0)),
    (gradients.Shard(2, (0.0, 2.0, 3.0)), gradients.Shard(2, (2.0, 2.0, 3.0))),
    (gradients.Shard(3, (0.0, 2.0, 3.0)), gradients.Shard(1, (4.0, 2.0, 3.0))),
)


def test_gradients_are_a_table() -> None:
    """Means, and how far they are from the gradient of the batch."""
    lines = {line[:26].strip(): line[26:].split() for line in _lines(gradients.draw(GRADIENTS))}
    assert ["1.0000", "2.0000", "3.0000", "0.0e+00"] == lines["mean of equal shards"]
    assert ["2.0000", "2.0000", "3.0000", "1.0e+00"] == lines["mean of unequal shards"]
    assert ["1.0000", "2.0000", "3.0000", "0.0e+00"] == lines["mean weighed by items"]


SCHEDULES = (
    pipeline.Schedule(1, ((Turn(0, False, 0, 2), Turn(0, True, 6, 8)), (Turn(0, False, 2, 4), Turn(0, True, 4, 6)))),
    pipeline.Schedule(
        2,
        (
            (Turn(0, False, 0, 1), Turn(1, False, 1, 2), Turn(0, True, 4, 5), Turn(1, True, 5, 6)),
            (Turn(0, False, 1, 2), Turn(1, False, 2, 3), Turn(0, True, 3, 4), Turn(1, True, 4, 5)),
        ),
    ),
)


def test_pipeline_on_one_scale_of_time() -> None:
    """Digits forward, letters backward, dots idle; the share of these beside the formula."""
    assert [
        "naive: one batch, 8,000 ms",
        "  stage 0  " + "1" * 16 + "·" * 32 + "A" * 16,
        "  stage 1  " + "·" * 16 + "1" * 16 + "A" * 16 + "·" * 16,
        "  idle 50% of the stages' time; (p-1)/(m+p-1) says 50%",
        "2 micro-batches, 6,000 ms",
        "  stage 0  " + "1" * 8 + "2" * 8 + "·" * 16 + "A" * 8 + "B" * 8,
        "  stage 1  " + "·" * 8 + "1" * 8 + "2" * 8 + "A" * 8 + "B" * 8 + "·" * 8,
        "  idle 33% of the stages' time; (p-1)/(m+p-1) says 33%",
        "1 2 3 forward  A B C backward of 1 2 3  · idle; 1.3 times as fast",
    ] == _lines(pipeline.draw(SCHEDULES))


COSTS = thousand_ranks.Seen(
    10**7,
    *(thousand_ranks.costs(network, 10**7) for network in (Hockney(5e-6, 5e-10), thousand_ranks.CLUSTER)),
)


def test_a_thousand_ranks_beside_the_lower_bound() -> None:
    """A row for each number of ranks in each chart, on one scale, with the bound and all algorithms; then the steps."""
    lines = _lines(thousand_ranks.draw(COSTS))
    assert "       this machine: 5.0 µs, 2.0 GB/s       a cluster: 10 µs, 12.5 GB/s" == lines[0]
    charts, steps = lines[3:13] + lines[15:25], lines[-10:]
    for row in (charts[:10], charts[10:], steps):
        assert list(thousand_ranks.RANKS) == [int(line.split()[0]) for line in row]
    for line in charts:
        for panel in (line[7:42], line[44:]):
            assert panel.lstrip().startswith("│")
            assert ["D", "G", "H", "R", "│"] == sorted(panel.replace(" ", ""))
    assert " 1024          │HR  D                G        │H   RD               G" == charts[9]
    assert " 1024      1.7 s     50 ms    40 ms    48%      3.3 s     27 ms   6.4 ms    16%" == steps[-1]


def test_times_have_the_unit_that_suits_them() -> None:
    """And two digits or more."""
    expected = {1e-6: "1 µs", 4.74e-6: "4.7 µs", 9.996e-4: "1.0 ms", 0.0335: "34 ms", 1.66: "1.7 s", 1234.5: "1,234 s"}
    assert expected == {seconds: thousand_ranks.told(seconds) for seconds in expected}


ALL: list[tuple[Any, Any]] = [
    (who_is_who.draw, PEOPLE), (memory.draw, MEMORY), (many.draw, CROWD), (gil.draw, RUNS), (race.draw, RACE),
    (fork_random.draw, DRAWS), (scaling.draw, CURVE), (gradients.draw, GRADIENTS), (pipeline.draw, SCHEDULES),
    (thousand_ranks.draw, COSTS),
]  # fmt: skip


@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize(("draw", "data"), ALL, ids=lambda value: getattr(value, "__module__", ""))
def test_on_every_console(draw: Any, data: Any, width: int) -> None:
    """No line is wider than the console, and one that has no blocks gets ASCII, as wide as they are."""
    for encoding in ("utf-8", "ascii"):
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
        Console(file=out, width=width, color_system=None).print(draw(data))
        out.flush()
        lines = out.buffer.getvalue().decode(encoding).splitlines()  # type: ignore[attr-defined]
        assert (encoding == "ascii") <= all(map(str.isascii, lines))
        assert len(draw(data).lines) == len(lines)
        assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize(("draw", "data"), ALL, ids=lambda value: getattr(value, "__module__", ""))
def test_in_a_usual_terminal_nothing_is_cut(draw: Any, data: Any) -> None:
    """80 columns are enough for everything but the longest remarks."""
    assert [] == [line for line in _lines(draw(data)) if cell_len(line) > 80]


def test_drawing_twice_gives_the_same() -> None:
    """A drawing is not used up or changed by being shown."""
    drawing = Drawing.of([Text("█" * 30)])
    for _ in range(2):
        with (console := Console(file=io.StringIO(), width=10, color_system=None)).capture() as captured:
            console.print(drawing)
        assert "█" * 10 == captured.get().strip()
    assert "█" * 30 == str(drawing)


def test_bars() -> None:
    """Nothing is no column, hardly anything is one, and the largest is the width."""
    assert [0, 1, 5, 10, 10] == [cells(value, 10.0, 10) for value in (0.0, 0.001, 5.0, 10.0, 20.0)]
    assert 0 == cells(1.0, 0.0, 10)
