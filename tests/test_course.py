"""The course as a whole: its map, its glossary, and the handouts' links to it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from autograder.catalog import Course
from autograder.report.course_map import course_map

ROOT = Path(__file__).resolve().parent.parent
COURSE = Course(ROOT)
GLOSSARY = ROOT / "docs" / "glossary.md"
#: By the name of its folder each exercise's handout, as it is written and as students get it.
HANDOUTS = {
    f"{where}/{path.name}": path / "README.md"
    for where in ("solutions", "assignments")
    for path in COURSE.folders(where).values()
}

_MARKDOWN = MarkdownIt()


def _tokens(text: str, definitions: dict[str, object] | None = None) -> Iterator[Token]:
    """Everything in a text, blocks and what is in them; `definitions` is filled with its link definitions."""
    for token in _MARKDOWN.parse(text, {} if definitions is None else definitions):
        yield token
        yield from token.children or ()


def _links(text: str) -> list[str]:
    """Where the links of a text lead, in order; what is code is no link."""
    return [str(token.attrs["href"]) for token in _tokens(text) if token.type == "link_open"]


def _terms() -> dict[str, str]:
    """By the anchor that GitHub gives it, what stands under the heading of each term of the glossary."""
    parts = re.split(r"^###? ", GLOSSARY.read_text(), flags=re.MULTILINE)
    headings = re.findall(r"^(###?) (.+)$", GLOSSARY.read_text(), flags=re.MULTILINE)
    return {_anchor(term): part for (level, term), part in zip(headings, parts[1:], strict=True) if level == "###"}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _linked(handout: Path) -> list[str]:
    """The terms that a handout links, in order."""
    found = []
    for link in _links(handout.read_text()):
        path, _, anchor = link.partition("#")
        if (handout.parent / path).resolve() == GLOSSARY:
            found.append(anchor)
    return found


def test_the_readme_has_the_map() -> None:
    """What the README shows is what ``autograder list`` shows."""
    lines = course_map([folder.exercise for folder in COURSE.exercises("solutions")]).splitlines()
    assert "".join(f"    {line}\n" for line in lines) in (ROOT / "README.md").read_text(), (
        "copy it from autograder list"
    )


@pytest.mark.parametrize("handout", HANDOUTS.values(), ids=HANDOUTS)
def test_a_handout_links_terms_that_are_there(handout: Path) -> None:
    """Each link to the glossary leads to a term, and each term is linked once, where it is first used."""
    linked = _linked(handout)
    assert linked, "a handout uses terms of the field"
    assert set() == set(linked) - set(_terms()), "not in docs/glossary.md"
    assert {} == {term: count for term, count in Counter(linked).items() if count > 1}, "linked more than once"


@pytest.mark.parametrize("handout", HANDOUTS.values(), ids=HANDOUTS)
def test_no_link_of_a_handout_is_half_made(handout: Path) -> None:
    """A term in brackets has its definition at the end, each definition is used, and no link leads to a missing file."""
    environment: dict[str, dict[str, dict[str, str]]] = {}
    tokens = list(_tokens(handout.read_text(), environment))  # type: ignore[arg-type]
    links = {str(token.attrs["href"]) for token in tokens if token.type == "link_open"}
    assert [] == [token.content for token in tokens if token.type == "text" and re.search(r"\[.+\]", token.content)]
    assert set() == {reference["href"] for reference in environment.get("references", {}).values()} - links
    files = {link.partition("#")[0] for link in links if "://" not in link}
    assert [] == [file for file in files if not (handout.parent / file).is_file()]


def test_every_term_says_where_it_is_met() -> None:
    """A term of the glossary is linked by at least one handout, and names exactly those exercises that link it."""
    met: dict[str, list[str]] = {term: [] for term in _terms()}
    for path in COURSE.folders("solutions").values():
        for term in _linked(path / "README.md"):
            met[term].append(f"../assignments/{path.name}/README.md")
    assert [] == [term for term, where in met.items() if not where], (
        "no handout links these: link them or take them out"
    )
    assert met == {term: _links(text.rpartition("\n\nMet in ")[2]) for term, text in _terms().items()}


def test_the_probe_sees_links() -> None:
    """A link in code is none, one by reference is, and the anchor is GitHub's."""
    text = "`[a](b)` [c] [d](e)\n\n    [f](g)\n\n[c]: h#i\n"
    assert ["h#i", "e"] == _links(text)
    assert ["amdahls-law", "io-bound", "world-size"] == [
        _anchor(name) for name in ("Amdahl's law", "I/O-bound", "World size")
    ]
