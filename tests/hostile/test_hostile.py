"""Attacks on the grader, each a file beside this one, handed in as a class: what each of them must get.

All are graded in one run of the command, with two honest students among them, the first and the last of the class.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

import autograder
from autograder.errors import SandboxError
from autograder.sandbox import Isolation, ZygoteSandbox
from tests.fakes import make_course

ATTACKS = sorted(path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_"))

#: ``function`` of all ``items``, by four processes: the heart of the reference, and of what it is measured against.
QUARTERS = """
import os


def quarters(function, items):
    pipes = [os.pipe() for _ in range(4)]
    pids = []
    for part, (_, writer) in enumerate(pipes):
        pids.append(os.fork())
        if pids[-1] == 0:
            os.write(writer, " ".join(str(function(item)) for item in items[part::4]).encode())
            os._exit(0)
        os.close(writer)
    values = [0] * len(items)
    for part, (reader, _) in enumerate(pipes):
        with open(reader) as stream:
            values[part::4] = map(int, stream.read().split())
    for pid in pids:
        os.waitpid(pid, 0)
    return values
"""

REFERENCE = f"""{QUARTERS}

def double(n):
    return 2 * n


work = quarters
"""

DRIVER = f"""{QUARTERS}

def burn(item):
    for _ in range(120_000):  # work whose result cannot be had without it
        item = (item * 1103515245 + 12345) % 2**31
    return item


def yardstick(items):
    return quarters(burn, items)
"""

#: On two hyperthreads of one core two processes may gain a third only: four show who does not share the work.
CHECKS = '''\
"""Checks of the small exercise."""

import pytest

from autograder.checks import assert_clean


@pytest.mark.points(1)
def test_value(submission):
    """Twice a number."""
    actual = submission.double(21)
    assert 42 == actual, f"Twice 21 is 42, not {actual}."


@pytest.mark.points(2)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_value")
def test_clean(submission):
    """Nothing is left behind."""
    assert_clean(submission.observe("double", 21))


@pytest.mark.points(3)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_value")
def test_speed(submission, driver, speedup):
    """Four processes are much faster than one."""
    speedup(
        case=lambda rng: [rng.randrange(2**30) for _ in range(8)],
        student=lambda case: submission.observe("work", driver.burn, case),
        yardstick=lambda case, method: driver.observe("yardstick", case),
        needed=0.55,
        workers=4,
    )


### BEGIN HIDDEN TESTS
@pytest.mark.points(4)
@pytest.mark.needs("test_value")
def test_hidden(submission):
    """Other numbers, too."""
    for n in (-1, 0, 2**40):
        actual = submission.double(n)
        assert 2 * n == actual, f"Twice {n} is {2 * n}, not {actual}."
### END HIDDEN TESTS
'''

#: The check that must end so, for each attack, and words of what is said of it. P passed, F failed, T timeout, C crashed,
#: S skipped: for the value, for cleanliness, for speed, and for the hidden check. Who attacks by `double` has no `work`.
MUST: dict[str, tuple[str, str]] = {
    "chaff": ("PPFP", "an efficiency of"),
    "closes_descriptors": ("CSSS", "ended with exit status"),
    "deadlock": ("TSSS", "took longer than"),
    "deep_nesting": ("FSSS", "not plain data"),
    "early_return": ("PPFP", "an efficiency of"),
    "endless_error": ("FSSS", "ValueError: xxx"),
    "equals_everything": ("FSSS", "Twice 21 is 42, not 0."),
    "exit_at_import": ("CCCC", "could not be imported"),
    "exit_in_call": ("CSSS", "exit status 0 before it answered"),
    "flood": ("CSSS", "an answer that it was not asked for"),
    "forged_answers": ("CSSS", "an answer that it was not asked for"),
    "forged_bytes": ("CSSS", "what is no answer"),
    "fork_bomb": ("XSSS", ""),
    "huge_answer": ("CSSS", "at most 33,554,432 are read"),
    "huge_number": ("FSSS", "not plain data"),
    "kills_everything": ("PPFP", "no function work()"),
    "kills_itself": ("CSSS", "killed by signal 9"),
    "lazy_results": ("PPFP", "A speedup counts only where the result is right"),
    "loop_at_import": ("CCCC", "Importing the module took longer"),
    "lying_error": ("CSSS", "exit status 0 before it answered"),
    "memory_hog": ("CSSS", "more memory than the 300 MiB"),
    "orphans": ("PFFP", "20 processes that had not ended"),
    "patched_clock": ("PPFP", "an efficiency of"),
    "patches_the_protocol": ("PPFF", "no function work()"),
    "phones_home": ("FSSS", "LookupError: nobody there"),
    "pickle_bomb": ("FSSS", "an object of type 'Bomb'"),
    "prints_200_mb": ("PPFP", "no function work()"),
    "reads_stdin": ("FSSS", "EOFError"),
    "reads_the_grader": ("FSSS", "LookupError: nothing to be found"),
    "reads_the_tests": ("FSSS", "LookupError: nothing to be found"),
    "remembers": ("FSSS", "Twice 21 is 42, not -1."),
    "returns_a_lambda": ("FSSS", "an object of type 'function'"),
    "stops_itself": ("TSSS", "took longer than"),
    "swallows_exceptions": ("TSSS", "took longer than"),
    "system_exit": ("FSSS", "SystemExit: 0"),
    "terminal_escapes": ("FSSS", "full marks"),
    "too_many_workers": ("PPFP", "where 4 workers were asked for"),
    "works_on_after_return": ("PPFP", "2 processes that had not ended"),
    "writes_everywhere": ("FSSS", "LookupError: nowhere to write"),
    "wrong_and_quick": ("PPFP", "A speedup counts only where the result is right"),
}

#: Preloaded modules, by which all processes of this very run can be known: they stand in the zygote's command line.
MARK = ["colorsys", "rlcompleter", "tabnanny"]

COMMAND = """
import builtins, json, sys
from autograder.cli import main
from autograder.sandbox import running
running.IMPORT_SECONDS = 2.0
note, *sys.argv[1:] = sys.argv[1:]
try:
    main()
finally:
    # Of this program alone: ru_maxrss begins with what the process had before it became this program.
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak = int(status["VmHWM"].split()[0]) // 1024
    found = {"peak": peak, "imported": "tiny" in sys.modules, "owned": hasattr(builtins, "OWNED")}
    with open(note, "w") as stream:
        json.dump(found, stream)
"""


@dataclass(frozen=True)
class Graded:
    """What came of grading the class of attackers."""

    status: int
    output: str
    report: dict[str, Any]
    junit: bytes
    #: What the grader's process says of itself at its end.
    note: dict[str, Any]

    def of(self, student: str) -> dict[str, Any]:
        """The result of one student."""
        (result,) = (result for result in self.report["results"] if result["student"] == student)
        return dict(result)


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """The class of attackers, graded once."""
    try:
        with ZygoteSandbox(forced=Isolation.NAMESPACES) as sandbox:
            _ = sandbox.isolation
    except SandboxError as error:
        pytest.skip(f"attacks are made behind namespaces only: {error}")
    root = tmp_path_factory.mktemp("hostile")
    make_course(root, checks=CHECKS, driver=DRIVER, reference=REFERENCE, wall_seconds=2.5)
    toml = root / "solutions" / "01_tiny" / "exercise.toml"
    toml.write_text(f"preload = {MARK}\n" + toml.read_text())
    texts = {path.stem: path.read_text() for path in ATTACKS}
    for student, text in {**texts, "aa_honest": REFERENCE, "zz_honest": REFERENCE}.items():
        folder = root / "submitted" / student / "01_tiny"
        folder.mkdir(parents=True)
        (folder / "tiny.py").write_text(text)
    files = [root / name for name in ("note.json", "report.json", "report.xml")]
    arguments = ["grade", root / "submitted", "--course", root, "--isolation", "namespaces"]
    environment = os.environ | {"PYTHONPATH": str(Path(autograder.__file__).parent.parent), "GRADER_SECRET": "secret"}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, files[0], *arguments, "--json", files[1], "--junit", files[2]],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert all(path.exists() for path in files), done.stderr
    return Graded(
        done.returncode,
        done.stdout + done.stderr,
        json.loads(files[1].read_text()),
        files[2].read_bytes(),
        json.loads(files[0].read_text()),
    )


def test_every_attack_has_its_answer() -> None:
    """Each file has an answer here, and each answer a file."""
    assert sorted(MUST) == [path.stem for path in ATTACKS]


@pytest.mark.parametrize("attack", MUST)
def test_the_attack_gets_what_it_deserves(graded: Graded, attack: str) -> None:
    """No attack gets a point that its work has not earned, none hides what it is, and none is a fault of the grader."""
    checks = graded.of(attack)["checks"]
    outcomes = "".join(check["outcome"][0].upper() for check in checks)
    wanted, words = MUST[attack]
    if wanted[0] == "X":  # a fork bomb may pass one limit or the other
        assert outcomes[0] in "CT"
        wanted = outcomes[0] + wanted[1:]
    told = next((check["message"] for check in checks if check["outcome"] != "passed"), "")
    assert (wanted, True) == (outcomes, words in told), told


@pytest.mark.parametrize("student", ["aa_honest", "zz_honest"])
def test_the_honest_have_full_marks(graded: Graded, student: str) -> None:
    """Who is graded among attackers, before them or after them, loses nothing by it."""
    result = graded.of(student)
    assert (10.0, 10.0) == (result["score"], result["points"]), result["checks"]


def test_the_run_comes_to_its_end(graded: Graded) -> None:
    """The class is graded to the last student, with the exit status of success."""
    assert 0 == graded.status, graded.output
    assert len(ATTACKS) + 2 == len(graded.report["results"])


def test_no_process_is_left(graded: Graded) -> None:
    """When the command has ended, none of all the processes that were started is there."""
    assert 0 == graded.status
    mark = ",".join(MARK)
    assert [] == [one for one in psutil.process_iter(["cmdline"]) if mark in " ".join(one.info["cmdline"] or [])]


def test_no_code_of_a_student_ran_in_the_grader(graded: Graded) -> None:
    """The grader has neither imported a submission nor run what one of them sent."""
    assert {"imported": False, "owned": False} == {name: graded.note[name] for name in ("imported", "owned")}


def test_the_grader_stays_small(graded: Graded) -> None:
    """Whatever they send, print or raise, the grader's own memory stays below 300 MB."""
    assert graded.note["peak"] < 300


def test_the_terminal_obeys_nobody(graded: Graded) -> None:
    """No control character of a submission reaches the terminal, and no message is longer than a person would read."""
    assert [] == [character for character in graded.output if not character.isprintable() and character != "\n"]
    longest = max(len(check["message"]) for result in graded.report["results"] for check in result["checks"])
    assert longest < 10_000


def test_the_reports_are_whole(graded: Graded) -> None:
    """The XML can be read by a strict reader, whatever characters the submissions put into it."""
    suites = ElementTree.fromstring(graded.junit)
    assert len(ATTACKS) + 2 == len(suites.findall("testsuite"))
