"""Finds what students handed in: a file, a folder of files, or a class as nbgrader lays it out.

Nothing here runs what it finds, and nothing that one student handed in keeps another from being graded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.catalog.exercises import NUMBERED, Course, unknown
from autograder.catalog.notebooks import read_notebook, same_work
from autograder.catalog.text import Source, one_line, read_source
from autograder.errors import SubmissionNotFoundError, UsageError

#: What can be handed in, by the ending of its name, and how the module of an exercise is read from it.
_READERS: Mapping[str, Callable[[Path, str], Source]] = {
    ".py": lambda path, name: read_source(path),  # noqa: ARG005
    ".ipynb": read_notebook,
}

#: Folders beside the students' that are no student's.
_NO_STUDENT = frozenset({"__pycache__"})

_LINK = Source(problem="it is a link that leads out of the student's folder, and was not followed")


@dataclass(frozen=True)
class Submission:
    """One student's work on one exercise."""

    student: str
    #: Name of the exercise, as ``"race"``.
    exercise: str
    #: As it follows from the path that was given.
    path: Path
    #: Its text, newlines as ``\\n``; to be written as UTF-8. Empty where there is a problem.
    source: str
    #: Why it could not be read, in one line.
    problem: str = ""


def find_submissions(
    paths: Iterable[Path], course: Course, exercise: str | None = None
) -> tuple[tuple[Submission, ...], tuple[str, ...]]:
    """The submissions in `paths`, and one line on each thing not taken that a person should know of.

    Where a file and a notebook are there for one exercise, the one that differs from what was released is the work; if
    that does not tell, it is the file, with a warning.

    A file is taken for the exercise that it is named after, or else in whose ``NN_name`` folder it lies. In a folder, the files named after exercises
    are taken, directly or in ``NN_name`` folders, as the work of the student whom the folder is named after;
    every other folder in it is another student's, as in nbgrader's ``submitted/STUDENT/NN_name/name.py``. A
    folder that is an ``NN_name`` itself belongs to the student above it. Links that lead out of a student's
    folder are not followed.

    Args:
        paths: Files and folders.
        course: Whose exercises there are.
        exercise: Take only what was handed in for this exercise. A file may then have any name: if not the
            exercise's, it is taken for the student's.

    Raises:
        SubmissionNotFoundError: A path does not exist, or there is nothing to grade in any of them.
        UsageError: A file whose exercise is not known, or `exercise` is not.
    """
    search = _Search(course, exercise)
    barren = [one_line(path) for path in paths if not search.add(path)]
    if not search.found:
        raise SubmissionNotFoundError(
            f"{', '.join(barren) or 'no path'}: nothing to grade: no {search.wanted_file}, there or in an "
            f"NN_name or a student's folder; a file of another name is graded with: autograder grade FILE --exercise NAME"
            + "".join(f" ({warning})" for warning in search.warnings()[:1])
        )
    nothing = (f"{path}: nothing to grade" for path in barren)
    return tuple(search.found.values()), (*search.warnings(), *nothing)


class _Search:
    """Collects submissions and warnings, path by path."""

    def __init__(self, course: Course, exercise: str | None) -> None:
        folders = course.folders()
        self._released = {name: course.root / "assignments" / path.name for name, path in folders.items()}
        self._exercise_of = {path.name: name for name, path in folders.items()}
        self._named = exercise is not None
        self._wanted = (course.get(exercise).exercise.name,) if exercise is not None else tuple(folders)
        #: By file and exercise, so that a path given twice counts once.
        self.found: dict[tuple[Path, str], Submission] = {}
        self._warnings: list[str] = []
        #: Folders that look like an exercise's and are none, by name.
        self._strangers: dict[str, list[Path]] = {}
        #: Where a file and a notebook are both there and neither is as it was released, by exercise.
        self._doubled: dict[str, list[Path]] = {}

    @property
    def wanted_file(self) -> str:
        """What is looked for, as an example."""
        if not self._wanted:
            return "file of an exercise, for the course has none"
        return f"{self._wanted[0]}.py" if len(self._wanted) == 1 else f"file like {self._wanted[0]}.py"

    def warnings(self) -> tuple[str, ...]:
        """One line for each thing that was not taken; one for all folders of a name."""
        doubled = (self._two_works(name, where) for name, where in self._doubled.items())
        return (*self._warnings, *(self._stranger(name, where) for name, where in self._strangers.items()), *doubled)

    def add(self, path: Path) -> bool:
        """Take what is in `path`. Says whether there was something to take."""
        try:
            root = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):  # links in a circle, before Python 3.13; a null character
            raise SubmissionNotFoundError(
                f"{one_line(path)}: no such file or folder; give a file, a student's folder or a class"
            ) from None
        if not _is_folder(root):
            submissions: Iterator[Submission] = iter([self._file(path, root)])
        elif (name := self._exercise_of.get(root.name)) is not None:
            submissions = self._exercise(path, name, root.parent.name, root)
        else:
            submissions = self._folder(path, root)
        taken = False
        for submission in submissions:
            taken = True
            place = submission.path.parent.resolve() / submission.path.name
            self.found.setdefault((place, submission.exercise), submission)
        return taken

    def _file(self, path: Path, root: Path) -> Submission:
        read = _READERS.get(path.suffix)
        if read is None:
            known = ", ".join(_READERS)
            raise UsageError(f"{one_line(path)}: cannot grade such a file; its name must end in {known}")
        name = self._wanted[0] if self._named else self._exercise_near(path, root)
        if name not in self._exercise_of.values():
            raise UsageError(
                f"{one_line(path)}: {unknown(name, self._wanted)} (say which: autograder grade FILE --exercise NAME)"
            )
        holder = root.parent.parent if root.parent.name in self._exercise_of else root.parent
        student = holder.name if path.stem == name else path.stem
        return _submission(student, name, path, read(root, name))

    def _exercise_near(self, path: Path, root: Path) -> str:
        """The exercise of a file: the one that it is named after, else the one in whose folder it lies.

        So the wrong submissions in ``NN_name/wrong/`` can be graded by their paths alone.
        """
        if path.stem in self._exercise_of.values():
            return path.stem
        folders = (folder.name for folder in tuple(root.parents)[:2])
        return next((self._exercise_of[name] for name in folders if name in self._exercise_of), path.stem)

    def _folder(self, path: Path, root: Path) -> Iterator[Submission]:
        """`path` is a student's folder, a class, or both."""
        yield from self._work(path, root.name, root)
        for folder in self._list(path):
            if self._is_students(folder):
                if _leads_out(folder, root):
                    self._warnings.append(f"{one_line(folder)}: ignored: a link out of {one_line(path)}")
                else:
                    yield from self._work(folder, folder.name, folder.resolve())

    def _work(self, folder: Path, student: str, root: Path) -> Iterator[Submission]:
        """What one student handed in. `root` is the folder that no link may lead out of."""
        inside = self._list(folder)
        yield from self._named_after(self._wanted, inside, student, root)
        for path in inside:
            name = self._exercise_of.get(path.name)
            if name is not None:
                yield from self._exercise(path, name, student, root)
            elif NUMBERED.fullmatch(path.name) and _is_folder(path):
                self._strangers.setdefault(path.name, []).append(path)

    def _exercise(self, folder: Path, name: str, student: str, root: Path) -> Iterator[Submission]:
        """What lies in a student's folder of one exercise."""
        if name not in self._wanted:
            return
        if _leads_out(folder, root):
            yield _submission(student, name, folder, _LINK)
            return
        found = tuple(self._named_after((name,), self._list(folder), student, root))
        if not found:
            self._warnings.append(f"{one_line(folder)}: there is no {name}.py in it")
        yield from found

    def _named_after(
        self, exercises: Iterable[str], inside: Iterable[Path], student: str, root: Path
    ) -> Iterator[Submission]:
        """The files among `inside` that are named after one of `exercises`."""
        there = {path.name: path for path in inside}
        for name in exercises:
            works = [
                (path, _LINK if _leads_out(path, root) else read(path, name))
                for ending, read in _READERS.items()
                if (path := there.get(name + ending)) is not None
            ]
            if works:
                yield _submission(student, name, *self._work_among(works, name))

    def _work_among(self, works: Sequence[tuple[Path, Source]], name: str) -> tuple[Path, Source]:
        """The one of `works` that the student worked on; the first, where that cannot be told."""
        if len(works) > 1 and not same_work(*(source for _, source in works)):
            changed = [(path, source) for path, source in works if source != self._as_released(path, name)]
            if len(changed) == 1:
                return changed[0]
            self._doubled.setdefault(name, []).append(works[0][0].parent)
        return works[0]

    def _as_released(self, path: Path, name: str) -> Source:
        return _READERS[path.suffix](self._released[name] / path.name, name)

    def _is_students(self, folder: Path) -> bool:
        """Whether `folder`, beside others in a path that was given, is named after a student."""
        name = folder.name
        if name.startswith(".") or name in _NO_STUDENT or NUMBERED.fullmatch(name):
            return False
        return _is_folder(folder)

    def _list(self, folder: Path) -> tuple[Path, ...]:
        try:
            return tuple(sorted(folder.iterdir()))
        except OSError as error:
            self._warnings.append(f"{one_line(folder)}: cannot be read: {error.strerror or error}")
            return ()

    def _stranger(self, name: str, where: list[Path]) -> str:
        return f"{_places(where)}: ignored: {unknown(name, self._exercise_of.values())}"

    def _two_works(self, name: str, where: list[Path]) -> str:
        return f"{_places(where)}: {name}.py and {name}.ipynb are not the same work; {name}.py is taken"


def _places(where: list[Path]) -> str:
    more = f" (and in {len(where) - 1} more folders)" if len(where) > 1 else ""
    return f"{one_line(where[0])}{more}"


def _submission(student: str, exercise: str, path: Path, source: Source) -> Submission:
    return Submission(one_line(student) or "student", exercise, path, source.text, source.problem)


def _is_folder(path: Path) -> bool:
    """Whether `path` is a folder, as far as one may know: in a folder that may only be listed, nothing is."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _leads_out(path: Path, root: Path) -> bool:
    """Whether `path` is, or lies behind, a link to somewhere outside of `root`, or to nowhere."""
    try:
        return not path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return True
