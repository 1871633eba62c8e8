"""All demonstrations."""

import difflib
from typing import Any

from autograder.demos import (
    fork_random,
    gil,
    gradients,
    many,
    memory,
    pipeline,
    race,
    scaling,
    thousand_ranks,
    who_is_who,
)
from autograder.demos.demo import Demo
from autograder.errors import UsageError

#: In the order in which they are told.
DEMOS: tuple[Demo[Any], ...] = (
    who_is_who.DEMO,
    memory.DEMO,
    many.DEMO,
    gil.DEMO,
    race.DEMO,
    fork_random.DEMO,
    scaling.DEMO,
    gradients.DEMO,
    thousand_ranks.DEMO,
    pipeline.DEMO,
)


def find(name: str) -> Demo[Any]:
    """The demonstration called `name`.

    Raises:
        UsageError: There is none.
    """
    for demo in DEMOS:
        if demo.name == name:
            return demo
    names = [demo.name for demo in DEMOS]
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    guess = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise UsageError(f"no demonstration is called {name!r}{guess}; there are {', '.join(names)}")


def of_exercise(exercise: str) -> tuple[Demo[Any], ...]:
    """Those that belong to an exercise, which may have none."""
    return tuple(demo for demo in DEMOS if demo.exercise == exercise)
