"""Who is who: processes, their parents and groups.

Every process has a number (pid), a parent (ppid) and a group (what Ctrl-C in a terminal reaches). Below, this process has
started some children by each of two methods and asks them who they are, while the kernel is asked for the tree.

fork makes a copy of the caller, which goes on from the same line; spawn starts a new Python that imports what it needs.
"""

import os
from dataclasses import dataclass

import psutil
from rich.text import Text

from autograder.demos.children import introduce
from autograder.demos.crew import Crew, Method
from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import Drawing, heading

#: Columns of a pid with its branches, and of a command.
_PID, _COMMAND = 20, 36

AFTER = """
What the children say of themselves (pid, ppid, pgid) is what the kernel says: all have this process as their parent and its
group as theirs. A forked child still shows the command line of its parent, since it is a copy of it; a spawned one is a
program of its own. The resource tracker is Python's helper, which removes what a spawned program forgets: it is nobody's worker.

A child that has ended stays in this list as a zombie until its parent has asked how it ended, which is what join() does.
"""


@dataclass(frozen=True)
class Person:
    """A process as the kernel knows it."""

    pid: int
    ppid: int
    pgid: int
    #: How it was started; empty for one that no demonstration has started.
    method: str
    command: str
    #: Whether it says the same of itself; None where it was not asked.
    agrees: bool | None
    #: How many generations below the first one.
    depth: int


def measure(size: int) -> list[Person]:
    """This process's parent, itself, and `size` children by each method, parents before children."""
    with Crew() as crew:
        started = [(method, crew.start(method, introduce)) for method in Method for _ in range(size)]
        said = {member.process.pid: (method, member.hear()) for method, member in started}
        me = psutil.Process()
        people = [_person(parent, "", None, 0)] if (parent := me.parent()) else []
        depth = len(people)
        people.append(_person(me, "", None, depth))
        for child in sorted(me.children(), key=lambda child: child.pid):
            if child.pid in said:
                method, words = said[child.pid]
                known = (child.pid, child.ppid(), os.getpgid(child.pid))
                people.append(_person(child, method, known == words, depth + 1))
            else:
                people.append(_person(child, "", None, depth + 1))
        return people


def draw(people: list[Person]) -> Drawing:
    """A line for each process, below its parent."""
    lines = [heading(f"{'pid':<{_PID}}{'ppid':>7}{'pgid':>7}  by     command")]
    for index, person in enumerate(people):
        last = all(other.depth != person.depth for other in people[index + 1 :])
        branch = ("   " * (person.depth - 1) + ("└─ " if last else "├─ ")) if person.depth else ""
        line = Text(f"{branch}{person.pid:<{_PID - len(branch)}}{person.ppid:>7}{person.pgid:>7}  ")
        line.append(f"{person.method or '-':<7}", style={"fork": "green", "spawn": "cyan"}.get(person.method, "dim"))
        command = person.command if len(person.command) <= _COMMAND else person.command[: _COMMAND - 3] + "..."
        lines.append(line.append(command, style="dim"))
    asked = [person for person in people if person.agrees is not None]
    agree = sum(bool(person.agrees) for person in asked)
    lines.append(heading(f"{agree} of {len(asked)} children say of themselves what the kernel says of them"))
    return Drawing.of(lines)


def _person(process: psutil.Process, method: str, agrees: bool | None, depth: int) -> Person:
    try:
        words = process.cmdline()
    except psutil.Error:
        words = []
    command = " ".join([os.path.basename(words[0]), *words[1:]]) if words else "?"  # noqa: PTH119 - no path, perhaps
    if "resource_tracker" in command:
        command = "Python's resource tracker"
    try:
        group = os.getpgid(process.pid)
    except OSError:  # another user's
        group = 0
    return Person(process.pid, process.ppid(), group, method, command, agrees, depth)


DEMO = Demo(
    name="who-is-who",
    exercise="processes",
    text=__doc__,
    after=AFTER,
    size=Size("children by each method", default=2, least=1, most=20),
    measure=measure,
    draw=draw,
)
