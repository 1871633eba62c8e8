"""How long `autograder check NAME` takes from a cold start, beside `pytest` on one empty test file.

    python benchmarks/startup.py [--runs 9] [--exercise race]

Both run in turn, in the same environment, on the same machine at the same moment; what is compared is the ratio of each pair.
What the student's own code needs is in the figures of `autograder check` too, and is shown by itself: the sum of the seconds
of its checks. The target: check <= 2 x pytest + the student's code.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def seconds(command: list[str], folder: Path) -> float:
    """Wall time of a command."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def checks_seconds(exercise: str, folder: Path) -> float:
    """What the checks themselves take, where everything is loaded: the student's code, run by the grader."""
    script = (
        "import json, sys\n"
        "from autograder.classroom.own_work import own_tasks\n"
        "from autograder.classroom.grading import grade_tasks\n"
        f"graded = grade_tasks(own_tasks([{exercise!r}])[0], trusted=True)\n"
        "print(json.dumps(sum(result.seconds for result in graded.report.results)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=9)
    options.add_argument("--exercise", default="race")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        Path(place, "test_empty.py").write_text("def test_nothing():\n    pass\n")
        python = [sys.executable, "-m"]
        empty = [*python, "pytest", "-q", "-p", "no:cacheprovider", "test_empty.py"]
        check = [str(Path(sys.executable).with_name("autograder")), "check", chosen.exercise]
        pairs, own = [], []
        for _ in range(chosen.runs + 1):
            pairs.append((seconds(empty, Path(place)), seconds(check, ROOT)))
            own.append(checks_seconds(chosen.exercise, ROOT))
    pairs, own = pairs[1:], own[1:]  # the first of each fills the caches of the file system
    pytest_median = statistics.median(pair[0] for pair in pairs)
    check_median = statistics.median(pair[1] for pair in pairs)
    ratios = [(check_s - own_s) / pytest_s for (pytest_s, check_s), own_s in zip(pairs, own, strict=True)]
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, {chosen.runs} pairs"
    )
    print(f"pytest on one empty file       {pytest_median:6.3f} s (median)")
    print(
        f"autograder check {chosen.exercise:<13} {check_median:6.3f} s (median), of which its checks {statistics.median(own):.3f} s"
    )
    print(
        f"(check - its checks) / pytest  {statistics.median(ratios):6.2f}   (from {min(ratios):.2f} to {max(ratios):.2f}; at most 2)"
    )


if __name__ == "__main__":
    main()
