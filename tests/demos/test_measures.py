"""What the demonstrations measure is what they claim. Nothing here depends on how quick the machine is."""

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

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
from autograder.demos.children import MIB
from autograder.demos.crew import Method
from autograder.measure.hockney import Hockney
from autograder.records.timeline import Doing, Segment

LINUX = sys.platform == "linux"


def test_everybody_is_a_child_of_this_process() -> None:
    """As many by each method as were asked for, each of which says of itself what the kernel says."""
    people = who_is_who.measure(2)
    children = [person for person in people if person.agrees is not None]
    assert [True] * 4 == [person.agrees for person in children]
    assert {os.getpid()} == {person.ppid for person in children}
    assert {os.getpgid(0)} == {person.pgid for person in children}
    assert [2, 2] == [sum(person.method == method for person in children) for method in Method]
    assert 4 == len({person.pid for person in children})


def test_a_forked_child_shares_and_copies_what_it_writes() -> None:
    """It sees the block and owns little of it; after it has written to a half, it owns a half; a spawned one has none."""
    size = 64 * MIB
    lines = {line.what: line.memory for line in memory.measure(64)}
    bare, whole = lines["fresh process"], lines["with 64 MiB"]
    forked, written, spawned = lines["forked child"], lines["it writes to half"], lines["spawned child"]
    assert whole.uss - bare.uss > 0.9 * size
    assert abs(lines["and 16 threads"].uss - whole.uss) < 0.2 * size
    assert spawned.rss < 0.9 * size
    if LINUX:
        assert forked.rss > 0.9 * size
        assert forked.uss < 0.2 * size
        assert 0.4 * size < written.uss - forked.uss < 0.6 * size
        assert forked.pss is not None
        assert 0.4 * size < forked.pss < 0.7 * size


def test_many_says_how_many_there_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads; processes in batches; each process has more memory of its own than a thread."""
    monkeypatch.setattr(many, "AT_ONCE", 20)
    monkeypatch.setattr(many, "BUDGET", 3600.0)
    crowd = many.measure(50)
    assert (50, 50) == (crowd.asked, crowd.threads.number)
    assert [20, 20, 10] == [batch.number for batch in crowd.processes]
    if LINUX:
        assert all((batch.each_bytes or 0) > (crowd.threads.each_bytes or 0) for batch in crowd.processes)


def test_many_stops_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the batch that is going on."""
    monkeypatch.setattr(many, "AT_ONCE", 20)
    monkeypatch.setattr(many, "BUDGET", 0.0)
    assert [20] == [batch.number for batch in many.measure(50).processes]


def test_every_worker_does_its_share() -> None:
    """Waiting and computing, threads and processes: the same pieces, however they are dealt out."""
    seen = gil.measure(40)
    whole = {gil.Work.WAITING: gil.WAITS, gil.Work.COMPUTING: 40}
    assert [(work, 5) for work in gil.Work] == [(w, sum(run.work is w for run in seen.runs)) for w in gil.Work]
    for run in seen.runs:
        assert [whole[run.work] // run.count] * run.count == [len(pieces) for pieces in run.pieces]
        assert (run.workers is gil.Workers.PROCESSES) == (os.getpid() not in run.pids)


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this Python has no GIL")
def test_two_threads_never_compute_at_once() -> None:
    """With a GIL, their CPU time together fits into the time that has gone by; a clock's tick more is rounding."""
    for run in gil.measure(400).runs:
        if run.work is gil.Work.COMPUTING and run.workers is gil.Workers.THREADS:
            assert sum(piece.cpu for pieces in run.pieces for piece in pieces) < run.seconds + 0.02


def test_led_in_turns_every_second_update_is_lost() -> None:
    """Not by luck: the counter is what one thread alone would have made of it, and 0 are lost with a lock."""
    for _ in range(3):
        seen = race.measure(25)
        assert (50, 25) == (seen.led.made, seen.led.lost)
        assert (50, 0) == (seen.locked.made, seen.locked.lost)
        assert [0, 1] * len(seen.code) == [step.thread for step in seen.steps]
        assert 1 == seen.after


def test_the_bytecode_is_that_of_the_line() -> None:
    """It reads, and last of all writes."""
    names = [name for _, name, _ in race.measure(1).code]
    assert names[-1].startswith("STORE_ATTR")
    assert any(name.startswith("LOAD_ATTR") for name in names)


def test_the_switch_interval_is_restored() -> None:
    """Whoever runs a demonstration in a notebook goes on as before."""
    before = sys.getswitchinterval()
    race.measure(1)
    assert before == sys.getswitchinterval()


def test_forked_workers_draw_equal_numbers() -> None:
    """From whatever they inherit, unless Python seeds it anew; a stream for each worker mends it, and comes again."""
    state = np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    own = random.getstate()
    seen = fork_random.measure(3)
    python, numpy, inherited, mended = (len(set(rows)) for rows in seen.by_source)
    assert (3, 1, 1, 3) == (python, numpy, inherited, mended)
    assert seen.by_source[2:] == seen.again[2:]
    assert seen.by_source[0] != seen.again[0]
    assert (state, own) == (np.random.get_state()[1].tolist(), random.getstate())  # type: ignore[union-attr]


def test_scaling_has_a_time_for_every_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the cores as psutil counts them, both ways."""
    monkeypatch.setattr(scaling, "BUDGET", 0.0)
    curve = scaling.measure(10)
    assert list(scaling.COUNTS) == list(curve.taken)
    assert all(0 < taken.on_free_cores <= taken.whole for taken in curve.taken.values())
    assert (psutil.cpu_count(logical=False), psutil.cpu_count()) == (curve.physical, curve.logical)


@pytest.mark.parametrize("size", [2, 4, 101])
def test_the_weighted_mean_is_the_gradient(size: int) -> None:
    """Of the batch, to 1e-12; the plain mean is it with equal shards only."""
    seen = gradients.measure(size)
    wanted = seen.batch.gradient
    assert gradients.difference(gradients.plain_mean(seen.equal), wanted) < 1e-12
    assert gradients.difference(gradients.weighted_mean(seen.equal), wanted) < 1e-12
    assert gradients.difference(gradients.weighted_mean(seen.unequal), wanted) < 1e-12
    assert gradients.difference(gradients.plain_mean(seen.unequal), wanted) > 1e-3
    assert (2 * size, 2 * size) == tuple(sum(s.items for s in shards) for shards in (seen.equal, seen.unequal))


def test_stages_keep_the_order_of_a_pipeline() -> None:
    """A micro-batch is with one stage at a time, forward through all of them and backward again."""
    for schedule, micro_batches in zip(pipeline.measure(3), (1, 3), strict=True):
        assert [2 * micro_batches] * pipeline.STAGES == [len(turns) for turns in schedule.stages]
        for micro in range(micro_batches):
            way = [(rank, t) for rank, turns in enumerate(schedule.stages) for t in turns if t.micro == micro]
            way.sort(key=lambda one: one[1].start)
            assert [0, 1, 2, 3, 3, 2, 1, 0] == [rank for rank, _ in way]
            assert all(before.end <= after.start for (_, before), (_, after) in itertools.pairwise(way))


def test_the_idle_share_without_overhead_is_that_of_the_formula() -> None:
    """Turns that fit together exactly leave (p-1)/(m+p-1) idle."""
    stages, micro_batches = 3, 5
    schedule = pipeline.Schedule(
        micro_batches,
        tuple(
            tuple(
                pipeline.Turn(micro, backward, float(slot), float(slot + 1))
                for backward in (False, True)
                for micro in range(micro_batches)
                for slot in [micro + rank if not backward else micro_batches + stages - 1 + micro + (stages - 1 - rank)]
            )
            for rank in range(stages)
        ),
    )
    assert abs(2 / 7 - schedule.idle) < 1e-12
    assert 2 / 7 == schedule.predicted_idle


def test_pieces_become_stretches() -> None:
    """Pieces without interruption are one stretch; what a piece took beyond its CPU time is rest."""
    pieces = [gil.Piece(1.0, 1.1, 0.1), gil.Piece(1.1, 1.2, 0.1), gil.Piece(1.2, 1.5, 0.1), gil.Piece(1.5, 1.6, 0.1)]
    found = [(round(s.start, 6), round(s.end, 6), s.doing) for s in gil.segments_of(pieces, 1.0, Doing.BLOCKED)]
    running, blocked = Doing.RUNNING, Doing.BLOCKED
    assert [(0.0, 0.3, running), (0.3, 0.5, blocked), (0.5, 0.6, running)] == found


def test_the_clock_stands_still_while_nobody_runs() -> None:
    """Two that took turns, with a gap in between in which other programs ran."""
    running, blocked = Doing.RUNNING, Doing.BLOCKED
    first = [Segment(1.0, 2.0, running), Segment(2.0, 6.0, blocked)]
    second = [Segment(1.0, 5.0, blocked), Segment(5.0, 6.0, running)]
    assert [
        [Segment(0.0, 1.0, running), Segment(1.0, 2.0, blocked)],
        [Segment(0.0, 1.0, blocked), Segment(1.0, 2.0, running)],
    ] == gil.without_gaps([first, second])


def test_messages_of_this_machine_take_time() -> None:
    """Two processes talk: a message takes more than nothing and less than a second, and a long one more than a short one."""
    network = thousand_ranks.calibrate()
    assert 0 < network.alpha < 1
    assert 0 < network.beta < 1


def test_a_thousand_ranks_cost_what_was_counted() -> None:
    """On a network of known figures: nothing below the bound, and what the closed forms say at 1,024 ranks."""
    network, elements, most = thousand_ranks.CLUSTER, 10_000_000, 1024
    seen = thousand_ranks.costs(network, elements)
    for rows in (seen.many, seen.few):
        assert list(thousand_ranks.RANKS) == list(rows)
        assert all(seconds >= 0.999999 * row.least for row in rows.values() for seconds in row.seconds.values())
    assert "D" == min(seen.few[most].seconds, key=lambda sign: seen.few[most].seconds[sign])
    assert "G" == max(seen.many[most].seconds, key=lambda sign: seen.many[most].seconds[sign])
    step = seen.steps[most]
    messages = 2 * (most - 1) * network.alpha
    assert (
        seen.many[most].seconds["R"] == step.flat == pytest.approx(messages + 4 * 9766 * 2 * (most - 1) * network.beta)
    )
    assert thousand_ranks.TENSORS * messages < step.calls < (thousand_ranks.TENSORS + 1) * messages + 2 * step.flat


def test_the_hidden_share_is_what_the_schedule_leaves() -> None:
    """All but the last bucket where only bytes cost; nothing with a single one; less than nothing where messages cost all."""
    bucket = thousand_ranks.BUCKET // 4
    bytes_only = Hockney(0.0, 1e-10)
    assert pytest.approx(0.0) == thousand_ranks.hidden(bytes_only, bucket // 2, 8)
    # A tensor fills a bucket: each goes out while the next is computed, and the last one when all is done.
    assert pytest.approx(1 - 1 / 161) == thousand_ranks.hidden(bytes_only, thousand_ranks.TENSORS * bucket, 2)
    assert thousand_ranks.hidden(Hockney(1e-3, 0.0), 8 * bucket, 1024) < 0


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("children", {"torch", "numpy", "rich", "msgspec", "msgpack", "click", "pytest"}),
        ("registry", {"torch", "numpy"}),
    ],
)
def test_what_is_imported_is_light(module: str, heavy: set[str]) -> None:
    """A spawned process is there soon; and no library has threads when processes are started, which Ctrl-C could reach."""
    code = f"import sys, autograder.demos.{module}; print(*sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "psutil" in loaded, "the probe sees what is loaded"
    assert set() == loaded & heavy
