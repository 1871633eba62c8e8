"""A result as a table for a notebook."""

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.text import Text

from autograder.records import Outcome, Result, Timeline, Verdict
from autograder.report.html_table import result_html, view_html

MakeVerdict = Callable[..., Verdict]
MakeResult = Callable[..., Result]


class _Page(HTMLParser):
    """The tags of a page, whether they are closed in order, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {"style", "class", "colspan"} >= {name for name, _ in attrs}
        self.tags.add(tag)
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_check_has_a_row(make_verdict: MakeVerdict, make_result: MakeResult) -> None:
    """How it ended, its title and points; the message of what did not pass; what was measured."""
    passed = make_verdict(message="of no interest", measured={"speedup": 1.84, "needed": 1.6})
    page = _Page(result_html(make_result(passed, make_verdict(Outcome.CRASHED, "It died.\nSo."))))
    assert page.text.startswith("race: 2 of 4 points")
    for text in ("✓ passed", "Promise of passed.", "speedup 1.84 (needed 1.6)", "2 of 2", "† crashed", "It died.\nSo."):
        assert text in page.text
    assert "of no interest" not in page.text
    assert 2 == result_html(make_result(passed, passed)).count("<tr ")


def test_the_timeline_is_drawn_where_it_is_asked_for(
    make_verdict: MakeVerdict, make_result: MakeResult, make_timeline: Callable[..., Timeline]
) -> None:
    """As in a terminal, with its colours."""
    result = make_result(make_verdict(timeline=make_timeline("driver.train('<b>')")))
    page = _Page(result_html(result, timeline=True))
    assert "driver.train('<b>')" in page.text
    assert "rank 0" in page.text
    assert "█" not in _Page(result_html(result)).text


def test_the_scaling_curve_is_drawn(make_verdict: MakeVerdict, make_result: MakeResult) -> None:
    """Where a speedup was measured with several numbers of workers."""
    curve = {"workers": [1.0, 2.0], "speedups": [1.0, 1.6], "attainables": [1.0, 1.7]}
    assert "1.6 of 1.7" in _Page(result_html(make_result(make_verdict(measured=curve)))).text


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_can_be_shown(outcome: Outcome, make_verdict: MakeVerdict, make_result: MakeResult) -> None:
    """None is without its word."""
    assert f"Promise of {outcome}." in _Page(result_html(make_result(make_verdict(outcome)))).text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from("<>&\"'/abt$\x1b\u202e\n ") | st.characters(), max_size=20))
def test_nothing_of_a_submission_is_obeyed(text: str, make_verdict: MakeVerdict, make_result: MakeResult) -> None:
    """No text becomes a tag, an attribute, or a direction to write in."""
    verdict = make_verdict(Outcome.FAILED, text, title=text, measured={text: text})
    page = _Page(result_html(make_result(verdict, exercise=text)))
    assert {"div", "b", "span", "table", "tbody", "tr", "td"} <= page.tags
    assert {"pre"} >= page.tags - {"div", "b", "span", "table", "tbody", "tr", "td"}
    assert not {"\x1b", "\u202e"} & set(page.text)


def test_a_drawing_for_a_notebook() -> None:
    """What is drawn for a terminal, in its colours, as a page that is whole; text is no tags, and no formulas."""
    page = view_html(Text("a <b> $1 $2", style="green"))
    assert {"div", "pre", "span"} == _Page(page).tags
    assert "a <b> $1 $2" == _Page(page).text.strip()
    assert "mathjax_ignore" in page
