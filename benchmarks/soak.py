"""A class of strangers graded to its end, and a grader that is killed again and again: is all as it must be?

    python benchmarks/soak.py class [--students 300]
    python benchmarks/soak.py kills [--kills 50]

`class`: of the students a third hand in an attack from tests/hostile, the others right or plainly wrong work. Every honest mark must be
right, and nothing may be there afterwards that was not before: processes, files, segments, mounts. Shows the grader's memory.

`kills`: the grader, or its zygote, is ended at random moments by SIGKILL, SIGINT or SIGTERM, and started again. Two seconds later
nothing of it may run; no result that was found may be lost, none found twice; at the end every mark must be right.
"""

import argparse
import contextlib
import itertools
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
from trials import machine

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.fakes import make_course  # noqa: E402 - from beside the package, which is not installed with it
from tests.hostile.test_hostile import ATTACKS, CHECKS, DRIVER, REFERENCE, SECRET  # noqa: E402

#: Preloaded modules, by which the processes of this very run can be known: they stand in the zygote's command line.
MARK = ["tabnanny", "rlcompleter", "colorsys"]
#: Honest work by the marks that it must have.
HONEST = {
    "10": REFERENCE,
    "0": REFERENCE.replace("return 2 * n", "return 3 * n"),
    "7": REFERENCE.replace("work = quarters", "def work(function, items):\n    return [function(x) for x in items]"),
}
#: What a grader that was ended may take to be gone.
GRACE = 2.0


def prepare(root: Path, students: dict[str, str]) -> list[str]:
    """Lay out a class; returns the command that grades it."""
    make_course(root, checks=CHECKS, driver=DRIVER, reference=REFERENCE, wall_seconds=2.5)
    exercise = root / "solutions" / "01_tiny"
    toml = exercise / "exercise.toml"
    toml.write_text(f"preload = {MARK}\n" + toml.read_text().replace("memory_mb = 300", "memory_mb = 500"))
    for student, text in students.items():
        folder = root / "submitted" / student / "01_tiny"
        folder.mkdir(parents=True)
        (folder / "tiny.py").write_text(text.replace(SECRET, str(exercise / "test_tiny.py")))
    grade = [
        sys.executable,
        "-c",
        "from autograder.cli import main; main()",
        "grade",
        str(root / "submitted"),
        "--course",
        str(root),
    ]
    return [*grade, "--json", str(root / "report.json")]


def traces() -> dict[str, set[str]]:
    """What a grader could leave on this machine, as it is now."""
    folders = (Path("/dev/shm"), Path(tempfile.gettempdir()))
    found = {str(folder): {path.name for path in folder.iterdir()} for folder in folders}
    found["mounts"] = set(Path("/proc/mounts").read_text().splitlines())
    found["processes"] = {f"{process.pid} {' '.join(process.info['cmdline'][:3])}" for process in ours()}
    return found


def ours() -> Iterator[psutil.Process]:
    """Processes of a grader's sandbox, known by what they have preloaded, wherever they went."""
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.info["cmdline"] or ())
            if ",".join(MARK) in line and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def new_traces(before: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: left for name, now in traces().items() if (left := now - before[name])}


def whole_class(number: int) -> None:
    """Grade a class of strangers."""
    attacks = itertools.cycle(ATTACKS)
    honest = itertools.cycle(HONEST.items())
    students, marks = {}, {}
    for index in range(number):
        if index % 3 == 1:
            path = next(attacks)
            students[f"s{index:03}_{path.stem}"] = path.read_text()
        else:
            points, text = next(honest)
            marks[f"s{index:03}_honest"] = float(points)
            students[f"s{index:03}_honest"] = text
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        root = Path(name)
        root.chmod(0o755)
        command = prepare(root, students)
        before = traces()
        started = time.monotonic()
        memory = []
        with (root / "log").open("wb") as log:
            grader = psutil.Popen(command, cwd=root, stdout=log, stderr=log)
            while grader.poll() is None:
                memory.append(grader.memory_info().rss // 2**20)
                time.sleep(0.5)
        seconds = time.monotonic() - started
        time.sleep(GRACE)
        left = new_traces(before)
        results = {one["student"]: one for one in json.loads((root / "report.json").read_bytes())["results"]}
    wrong = {student: (points, results[student]["score"]) for student, points in marks.items()
             if results[student]["score"] != points}  # fmt: skip
    outcomes = Counter(check["outcome"] for student, one in results.items() for check in one["checks"])
    quarter = max(1, len(memory) // 4)
    print(f"{machine()}; exit status {grader.returncode}, {seconds:.0f} s")
    print(f"{len(results)} of {number} graded; {len(wrong)} of {len(marks)} honest marks wrong {wrong or ''}")
    print(f"outcomes: {dict(outcomes)}")
    print(f"left behind: {left or 'nothing'}")
    print(
        f"memory of the grader, MiB: {statistics.median(memory[:quarter]):.0f} in the first quarter of the time, "
        f"{statistics.median(memory[-quarter:]):.0f} in the last (medians), {max(memory)} at most"
    )


def kills(number: int) -> None:
    """End the grader again and again."""
    chance = random.Random(20261126)
    students = {
        f"s{index:03}": text for index, text in enumerate(itertools.islice(itertools.cycle(HONEST.values()), 60))
    }
    marks = {f"s{index:03}": float(points) for index, points in zip(range(60), itertools.cycle(HONEST), strict=False)}
    lost, twice, late, rounds = 0, 0, Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        root = Path(name)
        root.chmod(0o755)
        command = prepare(root, students)
        journal = root / "report.json.autograder-journal"
        before = traces()
        keys: list[str] = []
        for _ in range(number):
            with (root / "log").open("wb") as log:
                grader = subprocess.Popen(command, cwd=root, stdout=log, stderr=log)
            time.sleep(chance.uniform(0.1, 2.5))
            victim, how = chance.choice(["grader", "grader", "grader", "zygote"]), chance.choice(
                [signal.SIGKILL, signal.SIGINT, signal.SIGTERM]
            )  # fmt: skip
            end(grader, victim, how)
            rounds[f"{how.name} to the {victim}"] += 1
            if victim == "zygote":
                grader.kill()
            grader.wait()
            time.sleep(GRACE)
            for what, left in new_traces(before).items():
                late[f"{what} after {how.name} to the {victim}: {sorted(left)[:2]}"] += 1
            found = read_keys(journal)
            lost += len(set(keys) - set(found)) if found or not (root / "report.json").exists() else 0
            twice += len(found) - len(set(found))
            keys = found
            if not found and (root / "report.json").exists():  # it came to its end meanwhile: again from the beginning
                (root / "report.json").unlink()
        subprocess.run(command, cwd=root, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        results = json.loads((root / "report.json").read_bytes())["results"]
    wrong = [one["student"] for one in results if one["score"] != marks[one["student"]]]
    print(f"{machine()}; ended {number} times: {dict(rounds)}")
    print(f"left {GRACE:g} s later: {dict(late) or 'nothing'}")
    print(f"results lost: {lost}; found twice: {twice}; at the end {len(results)} of 60, {len(wrong)} marks wrong")


def end(grader: subprocess.Popen[bytes], victim: str, how: signal.Signals) -> None:
    """Send the signal to the grader itself, or to its zygote where it has one by now."""
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        children = psutil.Process(grader.pid).children()
        if victim == "zygote" and children:
            children[0].send_signal(how)
        else:
            grader.send_signal(how)


def read_keys(journal: Path) -> list[str]:
    """Of the results that the journal has."""
    try:
        lines = journal.read_bytes().splitlines()
    except OSError:
        return []
    return [json.loads(line)[0] for line in lines if line]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("class").add_argument("--students", type=int, default=300)
    commands.add_parser("kills").add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    if options.what == "class":
        whole_class(options.students)
    else:
        kills(options.kills)


if __name__ == "__main__":
    main()
