"""A small course to find things in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.catalog import Course

TOML = """\
name = "{name}"
order = {order}
title = "A title"
summary = "A summary."
minutes = 20
hints = ["Which?", "Look there.", "First this, then that."]
offers = ["f"]
"""


@pytest.fixture
def add_exercise(tmp_path: Path) -> Callable[..., Path]:
    """Writes an exercise into the course under ``course/`` and gives its folder."""

    def add(folder: str, where: str = "solutions", toml: str = "") -> Path:
        path = tmp_path / "course" / where / folder
        path.mkdir(parents=True)
        order, _, name = folder.partition("_")
        (path / "exercise.toml").write_text(toml or TOML.format(name=name, order=int(order)))
        (path / f"{name}.py").write_text(f'"""The reference of {name}."""\n')
        return path

    return add


@pytest.fixture
def course(tmp_path: Path, add_exercise: Callable[..., Path]) -> Course:
    """A course with the exercises race, seeding and cpu_bound."""
    for folder in ("05_cpu_bound", "03_race", "04_seeding"):
        add_exercise(folder)
    return Course(tmp_path / "course")
