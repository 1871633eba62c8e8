"""Attacks on the grader, each a file beside this one, handed in as a class: what each of them must get.

All are graded in one run of the command, with two honest students among them, the first and the last of the class: at each
level that this machine has, by the superuser and by an ordinary user. docs/threats.md tells the same in a table.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import psutil
import pytest

import autograder
from autograder.sandbox import Isolation
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

from autograder.checks import assert_clean, assert_close


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
    assert_close(1.0, submission.double(0.5), atol=1e-9)
### END HIDDEN TESTS
'''


class Attack(NamedTuple):
    """What an attack must get.

    Outcomes of the checks on the value, on cleanliness, on speed, and of the hidden one: P passed, F failed, T timeout,
    C crashed, S skipped, X one of T and C. Who attacks by `double` has no `work`, and so fails the check on speed.
    """

    outcomes: str
    #: Words of what is said of the first check that did not pass.
    words: str
    #: The same at level `landlock`, where it is another limit that holds.
    at_landlock: tuple[str, str] = ("", "")
    #: Levels at which nothing holds it, as `docs/threats.md` says: it is not made there.
    not_held: frozenset[str] = frozenset()
    #: Outcomes at level `process`, for those which do no harm there: where a wall is all that holds it, it succeeds.
    bare: str = ""


LANDLOCK = frozenset({"landlock", "landlock for an ordinary user"})
ORDINARY = frozenset({"landlock for an ordinary user"})

MUST: dict[str, Attack] = {
    "answers_and_exits": Attack("CSSS", "exit status 0 before it answered", bare="CSSS"),
    "chaff": Attack("PPFP", "an efficiency of"),
    "changes_modes": Attack("PPFP", "no function work()"),
    "closes_descriptors": Attack("CSSS", "ended with exit status", bare="CSSS"),
    "deadlock": Attack("TSSS", "took longer than", bare="TSSS"),
    "deep_nesting": Attack("FSSS", "not plain data", bare="FSSS"),
    "early_return": Attack("PPFP", "an efficiency of"),
    "endless_error": Attack("FSSS", "ValueError: xxx", bare="FSSS"),
    "endless_str": Attack("TSSS", "Its answer took longer than", bare="TSSS"),
    "equals_everything": Attack("FSSS", "Twice 21 is 42, not 0.", bare="FSSS"),
    "exit_at_import": Attack("CCCC", "could not be imported", bare="CCCC"),
    "exit_in_call": Attack("CSSS", "exit status 0 before it answered", bare="CSSS"),
    "exit_politely_at_import": Attack("CCCC", "SystemExit", bare="CCCC"),
    "fills_shared_memory": Attack("FSSS", "No space left", ("CSSS", "more than the 64 MiB of files"), ORDINARY),
    "fills_the_disk": Attack("FSSS", "No space left", ("CSSS", "more than the 64 MiB of files")),
    "flood": Attack("CSSS", "an answer that it was not asked for", bare="CSSS"),
    "forged_answers": Attack("CSSS", "an answer that it was not asked for", bare="CSSS"),
    "forged_bytes": Attack("CSSS", "what is no answer", bare="CSSS"),
    "fork_bomb": Attack("XSSS", ""),
    "garbage_everywhere": Attack("CSSS", "what is no answer", bare="CSSS"),
    "huge_answer": Attack("CSSS", "at most 33,554,432 are read", bare="CSSS"),
    "huge_number": Attack("FSSS", "not plain data", bare="FSSS"),
    "kills_everything": Attack("PPFP", "no function work()"),
    "kills_itself": Attack("CSSS", "killed by signal 9", bare="CSSS"),
    "knows_the_path": Attack("FSSS", "LookupError: no way leads there", bare="PPFP"),
    "lazy_results": Attack("PPFP", "A speedup counts only where the result is right"),
    "lies_about_its_class": Attack("FSSS", "an object of type 'Number'", bare="FSSS"),
    "limits_the_grader": Attack("PPFP", "no function work()"),
    "loop_at_import": Attack("CCCC", "Importing the module took longer", bare="CCCC"),
    "loop_in_call": Attack("TSSS", "The call took longer than", bare="TSSS"),
    "lying_array": Attack("FSSS", "Twice 21 is 42, not 0.", bare="FSSS"),
    "lying_error": Attack("CSSS", "exit status 0 before it answered", bare="CSSS"),
    "makes_a_million_files": Attack("FSSS", "No space left", ("XSSS", ""), ORDINARY),
    "memory_hog": Attack("XSSS", "more memory than the 500 MiB"),
    "memory_in_twenty": Attack("CSSS", "more memory than the 500 MiB"),
    "memory_of_nobody": Attack("FSSS", "every byte has an owner", bare="PPFP"),
    "million_keys": Attack("FSSS", "Twice 21 is 42, not {", bare="FSSS"),
    "not_a_number": Attack("PPFF", "no function work()", bare="PPFF"),
    "orphans": Attack("PFFP", "20 processes that had not ended", bare="PFFP"),
    "patched_clock": Attack("PPFP", "an efficiency of"),
    "patches_builtins": Attack("PPFF", "no function work()", bare="PPFF"),
    "patches_the_protocol": Attack("PPFF", "no function work()", bare="PPFF"),
    "phones_home": Attack("FSSS", "LookupError: nobody there", bare="PPFP"),
    "pickle_bomb": Attack("FSSS", "an object of type 'Bomb'", bare="FSSS"),
    "prints_200_mb": Attack("PPFP", "no function work()"),
    "raising_str": Attack("FSSS", "its text cannot be had", bare="FSSS"),
    "reads_memory_of_others": Attack("FSSS", "LookupError: nobody can be read", bare="PPFP"),
    "reads_other_students": Attack("FSSS", "LookupError: nobody to copy from", bare="PPFP"),
    "reads_stdin": Attack("FSSS", "EOFError", bare="FSSS"),
    "reads_the_grader": Attack("FSSS", "LookupError: nothing to be found"),
    "reads_the_tests": Attack("FSSS", "LookupError: nothing to be found"),
    "remembers": Attack("FSSS", "Twice 21 is 42, not -1."),
    "remembers_in_shared_memory": Attack("FSSS", "Twice 21 is 42, not -1.", not_held=ORDINARY),
    "returns_a_lambda": Attack("FSSS", "an object of type 'function'", bare="FSSS"),
    "runs_setuid_programs": Attack("FSSS", "nobody is the superuser here", bare="PPFP"),
    "stops_itself": Attack("TSSS", "took longer than", bare="TSSS"),
    "swallows_exceptions": Attack("TSSS", "took longer than", bare="TSSS"),
    "system_exit": Attack("FSSS", "SystemExit: 0", bare="FSSS"),
    "terminal_escapes": Attack("FSSS", "full marks", bare="FSSS"),
    "thread_bomb": Attack("XSSS", ""),
    "too_many_workers": Attack("PPFP", "where 4 workers were asked for"),
    "works_on_after_return": Attack("PPFP", "2 processes that had not ended"),
    "writes_everywhere": Attack("FSSS", "LookupError: nowhere to write"),
    "wrong_and_quick": Attack("PPFP", "A speedup counts only where the result is right"),
}

#: Preloaded modules, by which all processes of this very run can be known: they stand in the zygote's command line.
MARK = ["colorsys", "rlcompleter", "tabnanny"]

#: What some of the attackers know: where the hidden checks lie. In their files stands this in its place.
SECRET = "/where/the/hidden/checks/lie"

COMMAND = """
import builtins, json, sys
from autograder.cli import main
from autograder.sandbox import running
running.IMPORT_SECONDS = 2.0
running.LAST_WORD_SECONDS = 2.0
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
class Setting:
    """Where the attacks are made: a level, and who the grader is. What a machine lacks is skipped."""

    level: Isolation
    #: The grader is an ordinary user, and not the superuser.
    ordinary: bool

    def __str__(self) -> str:
        return f"{self.level} for an ordinary user" if self.ordinary else str(self.level)

    def hands_in(self, attack: str) -> bool:
        """Whether an attack is made here."""
        if self.level is Isolation.PROCESS:
            return bool(MUST[attack].bare)
        return str(self) not in MUST[attack].not_held

    def answer(self, attack: str) -> tuple[str, str]:
        """What it must get here: outcomes, and words of what is told."""
        must = MUST[attack]
        if self.level is Isolation.PROCESS:
            return must.bare, must.words if must.bare == must.outcomes else ""
        if self.level is Isolation.LANDLOCK and must.at_landlock[0]:
            return must.at_landlock
        return must.outcomes, must.words


#: Not as the superuser without walls: there is nothing that such a submission could not do.
SETTINGS = [
    Setting(level, ordinary)
    for level in Isolation
    for ordinary in (False, True)
    if ordinary or level is not Isolation.PROCESS
]


@dataclass(frozen=True)
class Graded:
    """What came of grading the class of attackers."""

    setting: Setting
    status: int
    output: str
    report: dict[str, Any]
    junit: bytes
    #: What the grader's process says of itself at its end.
    note: dict[str, Any]
    #: Modes of the files and folders that some attackers know by name, before and after.
    modes: tuple[list[int], list[int]]

    def of(self, student: str) -> dict[str, Any]:
        """The result of one student."""
        (result,) = (result for result in self.report["results"] if result["student"] == student)
        return dict(result)

    def of_attack(self, attack: str) -> dict[str, Any]:
        """The result of an attack."""
        if not self.setting.hands_in(attack):
            pytest.skip(f"{attack} is not made at level {self.setting}: see docs/threats.md")
        return self.of(attack)


def _run(setting: Setting, root: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of Python's as the user that the setting asks for."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if setting.ordinary and os.geteuid() == 0 else {}
    source = str(Path(autograder.__file__).parent.parent)
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), "TMPDIR": str(root / "tmp"), "PYTHONPATH": source}
    environment |= {"GRADER_SECRET": "secret", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, cwd="/", env=environment, **nobody
    )


ASK = """
import sys
from autograder.sandbox import Isolation, ZygoteSandbox
with ZygoteSandbox(forced=Isolation(sys.argv[1])) as sandbox:
    sandbox.isolation
"""


def _skip_where_it_cannot_be(setting: Setting, root: Path) -> None:
    if not setting.ordinary and os.geteuid() != 0:
        pytest.skip("only the superuser can grade as the superuser")
    try:
        asked = _run(setting, root, "-c", ASK, str(setting.level))
    except PermissionError:
        pytest.skip(f"no {setting} here: {sys.executable} is for nobody else")
    if asked.returncode:
        pytest.skip(f"no {setting} here: {(asked.stderr.splitlines() or ['?'])[-1]}")


@pytest.fixture(scope="session", params=SETTINGS, ids=str)
def graded(request: pytest.FixtureRequest) -> Iterator[Graded]:
    """The class of attackers, graded once in each setting."""
    # Not in pytest's own folder, which no other user may enter.
    with tempfile.TemporaryDirectory(prefix="hostile-", dir="/tmp") as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "tmp").mkdir()
        (root / "tmp").chmod(0o777)
        _skip_where_it_cannot_be(request.param, root)
        yield _grade(request.param, root)


def _grade(setting: Setting, root: Path) -> Graded:
    make_course(root, checks=CHECKS, driver=DRIVER, reference=REFERENCE, wall_seconds=2.5)
    exercise = root / "solutions" / "01_tiny"
    toml = exercise / "exercise.toml"
    toml.write_text(f"preload = {MARK}\n" + toml.read_text().replace("memory_mb = 300", "memory_mb = 500"))
    secret = exercise / "test_tiny.py"
    texts = {path.stem: path.read_text() for path in ATTACKS if setting.hands_in(path.stem)}
    for student, text in {**texts, "aa_honest": REFERENCE, "zz_honest": REFERENCE}.items():
        folder = root / "submitted" / student / "01_tiny"
        folder.mkdir(parents=True)
        (folder / "tiny.py").write_text(text.replace(SECRET, str(secret)))
    if setting.ordinary and os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534)
    known = [secret, *secret.parents[:3]]
    before = [path.stat().st_mode for path in known]
    files = [root / name for name in ("note.json", "report.json", "report.xml")]
    arguments = [
        "grade",
        root / "submitted",
        "--course",
        root,
        "--isolation",
        str(setting.level),
        "--trust-submissions",
    ]
    done = _run(setting, root, "-c", COMMAND, files[0], *arguments, "--json", files[1], "--junit", files[2])
    assert all(path.exists() for path in files), done.stderr
    return Graded(
        setting,
        done.returncode,
        done.stdout + done.stderr,
        json.loads(files[1].read_text()),
        files[2].read_bytes(),
        json.loads(files[0].read_text()),
        (before, [path.stat().st_mode for path in known]),
    )


def test_every_attack_has_its_answer() -> None:
    """Each file has an answer here, each answer a file, and the threat model names all of them."""
    assert sorted(MUST) == [path.stem for path in ATTACKS]
    told = (Path(__file__).parent.parent.parent / "docs" / "threats.md").read_text()
    assert [] == [attack for attack in MUST if attack not in told]


@pytest.mark.parametrize("attack", MUST)
def test_the_attack_gets_what_it_deserves(graded: Graded, attack: str) -> None:
    """No attack gets a point that its work has not earned, none hides what it is, and none is a fault of the grader."""
    checks = graded.of_attack(attack)["checks"]
    outcomes = "".join(check["outcome"][0].upper() for check in checks)
    wanted, words = graded.setting.answer(attack)
    if wanted[0] == "X":  # who grows without end may pass one limit or the other
        assert outcomes[0] in "CT"
        wanted, words = outcomes[0] + wanted[1:], words if outcomes[0] == "C" else ""
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
    made = [attack for attack in MUST if graded.setting.hands_in(attack)]
    assert len(made) + 2 == len(graded.report["results"])


def test_no_process_is_left(graded: Graded) -> None:
    """When the command has ended, none of all the processes that were started is there."""
    assert 0 == graded.status
    mark = ",".join(MARK)
    assert [] == [one for one in psutil.process_iter(["cmdline"]) if mark in " ".join(one.info["cmdline"] or [])]


def test_no_code_of_a_student_ran_in_the_grader(graded: Graded) -> None:
    """The grader has neither imported a submission nor run what one of them sent."""
    assert {"imported": False, "owned": False} == {name: graded.note[name] for name in ("imported", "owned")}


def test_the_graders_files_are_as_they_were(graded: Graded) -> None:
    """No attacker has changed the mode of a file that it knows by name, or put anything into shared memory to stay."""
    before, after = graded.modes
    assert before == after
    assert [] == [path for path in Path("/dev/shm").iterdir() if path.name.startswith(("hoard", "empty", "a-note"))]


def test_the_grader_stays_small(graded: Graded) -> None:
    """Whatever they send, print or raise, the grader's own memory stays below 400 MB, 256 of them for an answer."""
    assert graded.note["peak"] < 400


def test_the_terminal_obeys_nobody(graded: Graded) -> None:
    """No control character of a submission reaches the terminal."""
    assert [] == [character for character in graded.output if not character.isprintable() and character != "\n"]


def test_messages_are_for_people(graded: Graded) -> None:
    """No message is longer than a person would read."""
    lengths = {
        (result["student"], check["name"]): len(check["message"])
        for result in graded.report["results"]
        for check in result["checks"]
    }
    assert max(lengths.values()) < 10_000


def test_the_reports_are_whole(graded: Graded) -> None:
    """The XML can be read by a strict reader, whatever characters the submissions put into it."""
    suites = ElementTree.fromstring(graded.junit)
    assert len(graded.report["results"]) == len(suites.findall("testsuite"))
