"""Forms of one class and its checks: what nbgrader, otter, gradescope-utils, pytest and this kit each want to have.

A form writes into an empty folder and gives the commands that grade the class.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plain_checks

ROOT = Path(__file__).resolve().parent.parent
CLASSROOM = Path(__file__).with_name("classroom.py")
WRONG = {
    "race": ["no_lock", "argument_order", "check_outside", "global_lock", "counter_without_lock"],
    "cpu_bound": ["serial", "completion_order", "first_failure_in_time", "threads", "swallowed_exceptions"],
}
FLOOR, KIT_PLAIN, KIT_JOBS = "floor", "this kit", f"this kit, --jobs {os.cpu_count()}"
OWN, FLOOR_OF_OWN = "this kit, its own checks", "floor of these calls"
KIT = [sys.executable, "-c", "from autograder.cli import main; main()"]


@dataclass(frozen=True)
class Step:
    """A command, and where it is run."""

    command: list[str]
    folder: Path


@dataclass(frozen=True)
class Class:
    """Submissions to one exercise, by student."""

    exercise: str
    texts: dict[str, str]

    @property
    def checks(self) -> list[str]:
        return plain_checks.names(self.exercise)

    def lay(self, folder: Path, path: str) -> None:
        """Write all submissions as files, each at `path` with the student put in."""
        for student, text in self.texts.items():
            file = folder / path.format(student=student)
            file.parent.mkdir(parents=True)
            file.write_text(text)


def make_class(exercise: str, number: int) -> Class:
    """Right and wrong submissions in turn."""
    source = next((ROOT / "solutions").glob(f"*_{exercise}"))
    wrong = itertools.cycle(WRONG[exercise])
    texts = {}
    for index in range(number):
        right = index % 2 == 0
        text = (source / (f"{exercise}.py" if right else f"wrong/{next(wrong)}.py")).read_text()
        student = f"s{index:02}_{'right' if right else 'wrong'}"
        texts[student] = f"{text}\n\nSTUDENT = {student!r}\n"
    return Class(exercise, texts)


def bare(folder: Path, group: Class, python: Path) -> list[Step]:
    group.lay(folder, f"{{student}}/{group.exercise}.py")
    command = [str(python), "-c", f"import plain_checks; plain_checks.run_all({group.exercise!r})"]
    return [Step(command, folder / student) for student in group.texts]


def plain_pytest(folder: Path, group: Class, python: Path) -> list[Step]:
    bare(folder, group, python)
    file = folder / "test_all.py"
    file.write_text("".join(f"from plain_checks import {name} as test_{name}\n" for name in group.checks))
    command = [str(python), "-m", "pytest", "-q", "-pno:cacheprovider", f"--rootdir={folder}", str(file)]
    return [Step(command, folder / student) for student in group.texts]


def gradescope(folder: Path, group: Class, python: Path) -> list[Step]:
    bare(folder, group, python)
    file = folder / "run_tests.py"
    tests = "".join(
        f"    @weight(1)\n    def test_{name}(self):\n        plain_checks.{name}()\n" for name in group.checks
    )
    file.write_text(
        "import sys, unittest\nsys.path.insert(0, '.')\nimport plain_checks\n"
        "from gradescope_utils.autograder_utils.decorators import weight\n"
        "from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner\n"
        f"class TestAll(unittest.TestCase):\n{tests}"
        "with open('results.json', 'w') as file:\n"
        "    JSONTestRunner(stream=file).run(unittest.defaultTestLoader.loadTestsFromTestCase(TestAll))\n"
    )
    return [Step([str(python), str(file)], folder / student) for student in group.texts]


def notebook(group: Class, text: str, checks: Iterable[str]) -> str:
    """The module as a file that a cell writes, since a module is what the checks import; and a graded cell for each check."""

    def cell(name: str, source: str, **nbgrader: Any) -> dict[str, Any]:
        known = {
            "grade_id": name,
            "schema_version": 3,
            "task": False,
            "grade": False,
            "solution": False,
            "locked": False,
        }
        metadata = {"nbgrader": known | nbgrader} if nbgrader else {}
        base = {"cell_type": "code", "id": name, "execution_count": None, "outputs": []}
        return {**base, "metadata": metadata, "source": source}

    cells = [
        cell("work", f"%%writefile {group.exercise}.py\n{text}", solution=True),
        cell("use", "import plain_checks"),
    ]
    cells += [cell(name, f"plain_checks.{name}()", grade=True, locked=True, points=1) for name in checks]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def nbgrader(folder: Path, group: Class, python: Path) -> list[Step]:
    name = group.exercise
    command = [str(python), "-m", "nbgrader"]
    (folder / "source" / name).mkdir(parents=True)
    (folder / "source" / name / f"{name}.ipynb").write_text(notebook(group, "STUDENT = ''\n", group.checks))
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'class'\n")
    subprocess.run(
        [*command, "generate_assignment", name], cwd=folder, env=environment(python), check=True, capture_output=True
    )
    released = json.loads((folder / "release" / name / f"{name}.ipynb").read_text())
    for student, text in group.texts.items():
        released["cells"][0]["source"] = f"%%writefile {name}.py\n{text}"
        submitted = folder / "submitted" / student / name
        submitted.mkdir(parents=True)
        (submitted / f"{name}.ipynb").write_text(json.dumps(released))
    return [Step([*command, "autograde", name], folder)]


def otter(folder: Path, group: Class, python: Path) -> list[Step]:
    (folder / "tests").mkdir()
    for name in group.checks:
        case = {"code": f">>> import plain_checks\n>>> plain_checks.{name}()", "hidden": False, "locked": False}
        test = {"name": name, "points": 1, "suites": [{"cases": [case], "type": "doctest"}]}
        (folder / "tests" / f"{name}.py").write_text(f"OK_FORMAT = True\ntest = {test!r}\n")
    command = [str(python.with_name("otter"))]
    none = [f"--no-{what}" for what in ("config", "requirements", "environment")]
    made = [*command, "generate", "-t", "tests", "-o", "autograder.zip", *none]
    subprocess.run(made, cwd=folder, env=environment(python), check=True, capture_output=True)
    for student, text in group.texts.items():
        (folder / student).mkdir()
        (folder / student / "work.ipynb").write_text(notebook(group, text, []))
    run = [*command, "run", "--no-logo", "-a", str(folder / "autograder.zip"), "work.ipynb"]
    return [Step(run, folder / student) for student in group.texts]


def kit_plain(folder: Path, group: Class, _: Path) -> list[Step]:
    source = next((ROOT / "assignments").glob(f"*_{group.exercise}"))
    exercise = folder / "solutions" / source.name
    exercise.mkdir(parents=True)
    for name in (f"{group.exercise}.py", "exercise.toml", "README.md"):
        shutil.copy(source / name, exercise)
    shutil.copy(plain_checks.__file__, exercise / "driver.py")
    points = 10 / len(group.checks)
    test = '@pytest.mark.points({points})\ndef test_{name}(driver):\n    """{name}."""\n    driver.{name}()\n\n\n'
    texts = [test.format(points=points, name=name) for name in group.checks]
    (exercise / f"test_{group.exercise}.py").write_text('"""Plain checks."""\n\nimport pytest\n\n\n' + "".join(texts))
    return [Step([*KIT, *grade(folder, group, source.name)], folder)]


def kit_side_by_side(folder: Path, group: Class, python: Path) -> list[Step]:
    (step,) = kit_plain(folder, group, python)
    return [Step([*step.command, "--jobs", str(os.cpu_count())], folder)]


def kit(folder: Path, group: Class, _: Path) -> list[Step]:
    source = next((ROOT / "assignments").glob(f"*_{group.exercise}"))
    shutil.copytree(source, folder / "solutions" / source.name)
    record = [sys.executable, str(CLASSROOM), "--record", str(folder.parent / f"{group.exercise}.calls")]
    return [Step([*record, *grade(folder, group, source.name)], folder)]


def grade(folder: Path, group: Class, name: str) -> list[str]:
    group.lay(folder, f"submitted/{{student}}/{name}/{group.exercise}.py")
    return ["grade", "submitted", "--course", str(folder), "--json", "report.json"]


def calls_again(folder: Path, group: Class, _: Path) -> list[Step]:
    return [Step([sys.executable, str(CLASSROOM), "--replay", str(folder.parent / f"{group.exercise}.calls")], folder)]


def environment(python: Path) -> dict[str, str]:
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    ours = {"PATH": path, "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return {**os.environ, **ours}


#: Name, what pip installs for it (nothing: it is here), and its form.
TOOLS: tuple[tuple[str, str, Callable[[Path, Class, Path], list[Step]]], ...] = (
    (FLOOR, "", bare),
    ("pytest", "", plain_pytest),
    ("gradescope-utils", "gradescope-utils", gradescope),
    ("nbgrader autograde", "nbgrader", nbgrader),
    ("otter run", "otter-grader ipykernel", otter),
    (KIT_PLAIN, "", kit_plain),
    (KIT_JOBS, "", kit_side_by_side),
    (OWN, "", kit),
    (FLOOR_OF_OWN, "", calls_again),
)
