"""nbgrader itself, on a course of ours: from the source notebook to the feedback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder.classroom.release import release, stale
from tests.fakes import make_course

pytest.importorskip("nbgrader")

CONFIG = Path(__file__).parents[2] / "nbgrader_config.py"

#: One process for all of it: to import nbgrader takes longer than its work.
STEPS = """
import json, shutil, sys
from pathlib import Path

from click.testing import CliRunner
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.validator import Validator
from traitlets.config import PyFileConfigLoader

from autograder.cli import main

config = PyFileConfigLoader("nbgrader_config.py").load_config()
api = NbGraderAPI(CourseDirectory(config=config), config=config)
done = [api.generate_assignment("01_tiny")["success"]]
for student in ("alice", "bob"):
    folder = Path("submitted", student, "01_tiny")
    shutil.copytree("assignments/01_tiny", folder)
    notebook = json.loads((folder / "tiny.ipynb").read_text())
    (cell,) = (cell for cell in notebook["cells"] if cell["id"] == "tiny")
    cell["source"] = ["%%exercise tiny\\n", f"def double(n):\\n    return {'2 * n' if student == 'alice' else '42'}"]
    (folder / "tiny.ipynb").write_text(json.dumps(notebook))
    done.append(api.autograde("01_tiny", student)["success"])
done.append(api.generate_feedback("01_tiny", "bob")["success"])
failed = Validator(config=config).validate(str(Path("submitted/bob/01_tiny/tiny.ipynb").resolve())).get("failed", [])


def scores():
    with Gradebook("sqlite:///gradebook.db") as book:
        return {s: book.find_submission("01_tiny", s).score for s in ("alice", "bob")}


theirs = scores()
with Gradebook("sqlite:///gradebook.db") as book:
    book.find_grade("test_double", "tiny", "01_tiny", "bob").auto_score = 1
    book.db.commit()
grade = ["grade", "submitted", "--trust-submissions", "--gradebook", "sqlite:///gradebook.db"]
done.append(CliRunner().invoke(main, grade).exit_code == 0)
done.append(api.generate_assignment("01_tiny")["success"])
json.dump({"done": done, "scores": theirs, "ours": scores(), "failed": failed}, sys.stdout)
"""


def _graded(root: Path) -> dict[str, Any]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic by name
    command = [sys.executable, "-c", STEPS]
    environment = {**os.environ, "PATH": path, "JUPYTER_PLATFORM_DIRS": "1", "HOME": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=200)
    assert 0 == done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert all(found["done"]), done.stderr
    return found


def test_nbgrader_releases_grades_and_gives_feedback(tmp_path: Path) -> None:
    """Its release is ours to the byte, and gives nothing away; its marks are ours; its feedback has our messages."""
    course = make_course(tmp_path)
    release(course)
    shutil.rmtree(tmp_path / "assignments")
    shutil.copy(CONFIG, tmp_path)
    (tmp_path / "solutions" / "01_tiny" / "wrong").mkdir()
    (tmp_path / "solutions" / "01_tiny" / "wrong" / "thrice.py").write_text("# fails: test_double\n# mistake: more\n")

    found = _graded(tmp_path)
    assert {"alice": 10, "bob": 4} == found["scores"]
    assert found["scores"] == found["ours"], "one gradebook for both, and nbgrader takes the assignment for its own"
    assert () == stale(course)
    submitted, autograded = (tmp_path / step / "bob" / "01_tiny" for step in ("submitted", "autograded"))
    for name in (path.name for path in autograded.iterdir() if path.suffix != ".ipynb"):
        assert (submitted / name).read_bytes() == (autograded / name).read_bytes(), "nothing comes from solutions"
    assert [] == found["failed"], "what a student can check is right"
    feedback = (tmp_path / "feedback" / "bob" / "01_tiny" / "tiny.html").read_text()
    assert "failed: 0 of 6 points. Other numbers, too." in feedback
    assert "Twice -1 is -2, not 42." in feedback
