"""One call, many conditions: the first two that differ are named, and nothing runs after that."""

from collections.abc import Iterator

from autograder.measure.fingerprints import Difference, Run, first_difference


def test_equal_results_have_no_difference() -> None:
    """No runs, one run, equal runs."""
    assert first_difference([]) is None
    assert first_difference([Run("1 worker", [1, 2])]) is None
    assert first_difference([Run("1 worker", [1, 2]), Run("2 workers", [1, 2])]) is None


def test_the_first_two_conditions_that_differ_are_named() -> None:
    """The first run beside the first that is not as it."""
    runs = [Run("1 worker", [1, 2]), Run("2 workers", [1, 2]), Run("worker 0 late", [2, 1]), Run("spawn", [3])]
    assert Difference(runs[0], runs[2]) == first_difference(runs)


def test_results_differ_by_their_last_bit() -> None:
    """Zero and minus zero are equal for Python and not the same result."""
    assert first_difference([Run("fork", 0.0), Run("spawn", -0.0)]) is not None


def test_nothing_runs_after_a_difference() -> None:
    """A generator is not asked for more."""
    asked = []

    def runs() -> Iterator[Run[int]]:
        for value in (1, 2, 3):
            asked.append(value)
            yield Run(f"run {value}", value)

    assert first_difference(runs()) is not None
    assert [1, 2] == asked
