"""The exploring check: a scenario of the driver under every interleaving that matters, and what came of it."""

from typing import Any

from autograder.checks.asserts import fail, inconclusive
from autograder.checks.remote import RemoteModule
from autograder.errors import SubmissionCrashedError
from autograder.measure import races


class Explore:
    """The ``explore`` fixture. Fills ``measured`` and decides the check."""

    def __init__(self, driver: RemoteModule, source: str, measured: dict[str, Any]) -> None:
        self._driver = driver
        self._source = source
        self._measured = measured

    def __call__(self, scenario: str, *arguments: object) -> None:
        """Explore ``scenario``, a function of the driver, with ``arguments``.

        Raises:
            CheckFailedError: An interleaving breaks what must hold; the text is its table.
            InconclusiveError: It could be shown neither right nor wrong.
            SubmissionCrashedError: The submission hid from the explorer.
        """
        judgement = races.explore(getattr(self._driver, scenario), self._source, *arguments)
        self._measured.update(judgement.measured)
        match judgement.finding:
            case races.Finding.HOLDS:
                return
            case races.Finding.BROKEN:
                fail(judgement.text)
            case races.Finding.UNDECIDED:
                inconclusive(judgement.text)
            case races.Finding.TAMPERED:
                raise SubmissionCrashedError(judgement.text)
