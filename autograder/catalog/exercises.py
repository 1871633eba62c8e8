"""A course is a folder of exercises; an exercise is a folder with an ``exercise.toml``."""

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import msgspec

from autograder.catalog.text import one_line, read_own
from autograder.errors import CatalogError, UsageError
from autograder.records import Exercise

#: Where exercises lie: in full, or as students get them.
Where = Literal["solutions", "assignments"]

#: How the folder of an exercise is called.
NUMBERED = re.compile(r"\d\d_(?P<name>\w+)")

_HEADER = re.compile(r"#\s*(?P<key>fails|mistake)\s*:\s*(?P<value>.*)")


@dataclass(frozen=True)
class WrongSubmission:
    """A known wrong submission, and what its header says of it."""

    path: Path
    #: The check that must fail.
    fails: str
    #: The mistake, in plain words.
    mistake: str


@dataclass(frozen=True)
class ExerciseFolder:
    """An exercise, and the files in its folder."""

    exercise: Exercise
    path: Path

    @classmethod
    def load(cls, path: Path) -> Self:
        """The exercise in the folder `path`.

        Raises:
            CatalogError: Its ``exercise.toml`` is not as it should be.
        """
        exercise = _read_exercise(path / "exercise.toml")
        if path.name != exercise.folder_name:
            raise CatalogError(
                f"{one_line(path / 'exercise.toml')}: name and order ask for a folder "
                f"'{exercise.folder_name}', not '{one_line(path.name)}'"
            )
        return cls(exercise, path)

    @property
    def reference(self) -> Path:
        """The reference solution; in ``assignments/`` the stub, which the student edits."""
        return self.path / self.exercise.module_file

    @property
    def tests(self) -> Path:
        """The checks."""
        return self.path / f"test_{self.exercise.module_file}"

    @property
    def driver(self) -> Path | None:
        """What runs beside the submission in the sandbox, where the exercise needs it."""
        return self._optional("driver.py")

    @property
    def yardstick(self) -> Path | None:
        """What runs in a sandbox without the submission: how fast it can go, or what is right, where that is computed."""
        return self._optional("yardstick.py")

    @property
    def stub(self) -> Path | None:
        """What students get in place of the solution, where it is more than a ``NotImplementedError``."""
        return self._optional("stub.py")

    def wrong(self) -> tuple[WrongSubmission, ...]:
        """The known wrong submissions, by name.

        Raises:
            CatalogError: One has no ``# fails:`` or no ``# mistake:`` in its header.
        """
        return tuple(_read_wrong(path) for path in sorted((self.path / "wrong").glob("*.py")))

    def _optional(self, name: str) -> Path | None:
        path = self.path / name
        return path if path.is_file() else None


@dataclass(frozen=True)
class Course:
    """A folder with exercises in ``solutions/``, in ``assignments/``, or in both."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Self:
        """The course that `start` (the working directory, if not given) lies in.

        Raises:
            UsageError: There is none.
        """
        start = (start or Path()).resolve()
        for folder in (start, *start.parents):
            course = cls(folder)
            if course.folders("solutions") or course.folders("assignments"):
                return course
        raise UsageError(
            f"{one_line(start)}: neither here nor in a folder above are there exercises in 'solutions' or "
            "'assignments'; change to the folder of the course"
        )

    @property
    def home(self) -> Where:
        """``"solutions"`` where the course has them, else ``"assignments"``."""
        return "solutions" if self.folders("solutions") else "assignments"

    def folders(self, where: Where | None = None) -> dict[str, Path]:
        """Name and folder of every exercise, ordered by number; reads none of them."""
        named = {path: NUMBERED.fullmatch(path.name) for path in entries(self.root / (where or self.home))}
        return {match["name"]: path for path, match in named.items() if match and _is_exercise(path)}

    def exercises(self, where: Where | None = None) -> tuple[ExerciseFolder, ...]:
        """All exercises, ordered by number, from `home` unless `where` says otherwise.

        Raises:
            UsageError: There are none.
            CatalogError: One of them is not as it should be, or builds on one that does not come before it.
        """
        base = self.root / (where or self.home)
        found = tuple(ExerciseFolder.load(path) for path in entries(base) if _is_exercise(path))
        if not found:
            raise UsageError(f"{one_line(base)}: there are no exercises")
        for what in ("order", "name"):
            seen: dict[object, Path] = {}
            for folder in found:
                value = getattr(folder.exercise, what)
                if value in seen:
                    raise CatalogError(f"{one_line(folder.path)}: has the {what} of {one_line(seen[value])}")
                seen[value] = folder.path
        _check_order(found)
        return found

    def get(self, name: str, where: Where | None = None) -> ExerciseFolder:
        """The exercise called `name`, as ``"race"`` or ``"03_race"``. Reads no other one.

        Raises:
            UsageError: There is none.
            CatalogError: It is not as it should be.
        """
        folders = self.folders(where)
        for known, path in folders.items():
            if name in (known, path.name):
                return ExerciseFolder.load(path)
        raise UsageError(unknown(name, folders))


def unknown(name: str, known: Iterable[str]) -> str:
    """One line that says that no exercise is called `name`, and which there are."""
    known = tuple(known)
    match = NUMBERED.fullmatch(name)
    nearest = difflib.get_close_matches(match["name"] if match else name, known, n=1)
    guess = f" (did you mean '{nearest[0]}'?)" if nearest else ""
    return f"no exercise is called '{one_line(name)}'{guess}; there are {', '.join(known) or 'none'}"


def entries(folder: Path) -> tuple[Path, ...]:
    """What is in `folder`, by name; nothing where it is no folder or cannot be read."""
    try:
        return tuple(sorted(folder.iterdir()))
    except OSError:
        return ()


def _check_order(folders: Iterable[ExerciseFolder]) -> None:
    """Hold every ``builds_on`` to names of exercises with smaller numbers: then there can be no circle.

    A course may have some of the exercises only, so a name that is not there is no mistake, unless it looks like one that is.
    """
    orders = {folder.exercise.name: folder.exercise.order for folder in folders}
    for folder in folders:
        for name in folder.exercise.builds_on:
            problem = ""
            if name not in orders:
                alike = difflib.get_close_matches(name, orders, n=1)
                problem = f"{unknown(name, orders)}; mend the name or take it out" if alike else ""
            elif orders[name] >= folder.exercise.order:
                problem = (
                    f"'{name}' has number {orders[name]}, this exercise has {folder.exercise.order}: it can only build "
                    "on what comes before it (so that nothing builds on itself in a circle); renumber or take it out"
                )
            if problem:
                raise CatalogError(f"{one_line(folder.path / 'exercise.toml')}: builds_on: {problem}")


def _is_exercise(path: Path) -> bool:
    return (path / "exercise.toml").is_file()


def _read_exercise(path: Path) -> Exercise:
    try:
        exercise = msgspec.toml.decode(read_own(path), type=Exercise)
    except msgspec.DecodeError as error:  # a ValidationError too: it names the key
        raise CatalogError(f"{one_line(path)}: {one_line(str(error))}") from None
    why = _mistake(exercise)
    if why:
        raise CatalogError(f"{one_line(path)}: {why}")
    return exercise


def _mistake(exercise: Exercise) -> str:
    """What is wrong with values that have the right types."""
    if not exercise.name.isidentifier():
        return f"name: '{one_line(exercise.name)}' cannot be the name of a module"
    if not exercise.hints or not all(hint.strip() for hint in exercise.hints):
        return "hints: at least one, and none of them empty"
    if len(set(exercise.builds_on)) < len(exercise.builds_on):
        return "builds_on: a name stands there twice"
    if exercise.minutes <= 0:
        return "minutes: must be more than 0"
    for key in ("title", "summary"):
        if not getattr(exercise, key).strip():
            return f"{key}: empty"
    for key, value in msgspec.structs.asdict(exercise.limits).items():
        if not (value > 0 and math.isfinite(value)):
            return f"limits.{key}: must be more than 0"
    return ""


def _read_wrong(path: Path) -> WrongSubmission:
    header: dict[str, str] = {}
    for line in read_own(path).split("\n"):
        if line.strip() and not line.startswith("#"):
            break
        if match := _HEADER.fullmatch(line.rstrip()):
            header.setdefault(match["key"], match["value"])
    for key in ("fails", "mistake"):
        if not header.get(key):
            raise CatalogError(f"{one_line(path)}:1: its first lines must have '# {key}: ...'")
    return WrongSubmission(path, header["fails"], header["mistake"])
