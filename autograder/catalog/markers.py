"""The regions that the release takes out: solutions and hidden tests, in nbgrader's own markers."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from autograder.catalog.text import one_line
from autograder.errors import CatalogError

RegionKind = Literal["SOLUTION", "HIDDEN TESTS"]

#: Everything that nbgrader would take for a marker, and what was probably meant as one.
_LOOSE = re.compile(r"(begin|end)[ _-]*(solution|hidden[ _-]*test)", re.IGNORECASE)


@dataclass(frozen=True)
class Region:
    """The lines from a BEGIN marker to its END marker, both included, counted from 1."""

    first: int
    last: int

    def __contains__(self, line: int) -> bool:
        return self.first <= line <= self.last


def regions(text: str, path: Path, kind: RegionKind | None) -> tuple[Region, ...]:
    """The regions of `kind` in `text`, in order. `None` says that the file may have no region at all.

    Args:
        text: What is in `path`.
        path: Named in the error.
        kind: The only kind of region that belongs into this file.

    Raises:
        CatalogError: A marker without its partner, one inside another, one that is misspelt (it would give a
            solution away), or one that has no place in this file.
    """
    found: list[Region] = []
    begun: int | None = None

    def refuse(line: int, why: str) -> CatalogError:
        return CatalogError(f"{one_line(path)}:{line}: {why}")

    for number, line in enumerate(text.split("\n"), start=1):
        if not _LOOSE.search(line):
            continue
        marker = line.strip()
        if kind is None or marker not in (f"### BEGIN {kind}", f"### END {kind}"):
            allowed = f"'### BEGIN {kind}' and '### END {kind}'" if kind else "none"
            raise refuse(number, f"{one_line(marker)!r} looks like a marker; allowed in this file: {allowed}")
        if marker == f"### BEGIN {kind}":
            if begun is not None:
                raise refuse(number, f"'{marker}' inside the region that begins in line {begun}")
            begun = number
        else:
            if begun is None:
                raise refuse(number, f"'{marker}' without '### BEGIN {kind}' before it")
            found.append(Region(begun, number))
            begun = None
    if begun is not None:
        raise refuse(begun, f"'### BEGIN {kind}' without '### END {kind}' after it")
    return tuple(found)
