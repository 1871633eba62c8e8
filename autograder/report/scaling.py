"""The scaling curve of a speedup check as a small chart for the terminal: a bar for each number of workers."""

import math
from collections.abc import Iterator, Sequence

from rich.text import Text

from autograder.records import Verdict
from autograder.report.looks import number

#: Columns for one worker's worth of speedup, with the usual 16 workers.
_PER_WORKER = 3
_WORKERS = "workers"


def curve_lines(check: Verdict) -> Iterator[Text]:
    """Speedup, what was attainable and the ideal with each number of workers; work, span, and what they predict."""
    workers, speedups, attainables = (_numbers(check, name) for name in (_WORKERS, "speedups", "attainables"))
    if not workers:
        return
    yield Text("workers  speedup █, attainable ░, ideal ·", style="dim")
    for count, speedup, attainable in zip(workers, speedups, attainables, strict=True):
        bar = Text(f"{count:>7.0f}  ")
        done = 0
        for value, character, style in ((speedup, "█", "green"), (attainable, "░", "yellow"), (count, "·", "dim")):
            length = max(0, round(value * _PER_WORKER) - done)
            bar.append(character * length, style=style)
            done += length
        yield bar.append(f" {speedup:.1f} of {attainable:.1f}")
    yield Text(_prediction(check), style="dim")


def _prediction(check: Verdict) -> str:
    work, span, predicted = (check.measured.get(name) for name in ("work_seconds", "span_seconds", "predicted_at_64"))
    if not (isinstance(work, float) and isinstance(span, float) and isinstance(predicted, float)):
        return ""
    most = (work + span) / span if span > 0 else math.inf
    limit = f"no number of workers gives more than {number(round(most, 1))}" if most < math.inf else "no limit was seen"
    return (
        f"work {number(1000 * work)} ms, span {number(1000 * span)} ms (what no worker can share): {limit}; "
        f"64 workers would give about {number(round(predicted, 1))}"
    )


def _numbers(check: Verdict, name: str) -> Sequence[float]:
    found = check.measured.get(name, [])
    return found if isinstance(found, list) else []
