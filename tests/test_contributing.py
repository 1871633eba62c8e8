"""The worked example in CONTRIBUTING.md is true."""

import re
from pathlib import Path

from autograder.catalog.exercises import Course
from autograder.classroom import release, selfcheck

GUIDE = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"
BLOCK = re.compile(r"^`(?P<path>solutions/20_squares/\S+)`.*?^```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_worked_example_proves_itself(tmp_path: Path) -> None:
    """The folder made from the guide's blocks passes selfcheck: reference, stub and wrong submission."""
    for match in BLOCK.finditer(GUIDE.read_text()):
        path = tmp_path / match["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(match["text"])
    course = Course.find(tmp_path)
    release.release(course)
    folders = course.exercises("solutions")
    proofs = selfcheck.proofs(course, folders)

    assert [] == selfcheck.static_complaints(course, folders)
    assert ["REFERENCE", "STUB", "WRONG"] == [proof.role.name for proof in proofs]
    assert [] == selfcheck.prove(proofs)
