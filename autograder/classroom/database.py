"""The database of nbgrader's gradebook: whether it can be used, transactions, and one line on what goes wrong."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbgrader import __version__ as nbgrader_version
from nbgrader.api import Gradebook, InvalidEntry, MissingEntry
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import URL, create_engine, inspect, make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SAWarning, SQLAlchemyError

from autograder.catalog.text import one_line
from autograder.errors import UsageError

_LONGEST_REASON = 300


@dataclass(frozen=True)
class Database:
    """Where a gradebook is, or will be. A connection is open only while something is written."""

    _url: URL

    @classmethod
    def at(cls, url: str) -> Self:
        """The database that a user names.

        Raises:
            UsageError: That is no URL, or nothing would be kept there.
        """
        try:
            parsed = make_url(url)
        except (SQLAlchemyError, ValueError):  # a port that is no number
            raise UsageError(
                "--gradebook: that is no URL of a database; as an example, sqlite:///gradebook.db or "
                "postgresql://user:password@host/name"
            ) from None
        if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise UsageError(
                "--gradebook: a gradebook in memory is lost when the run ends; name a file: sqlite:///gradebook.db"
            )
        return cls(parsed)

    @property
    def url(self) -> str:
        """The URL with its password, as nbgrader wants it."""
        return self._url.render_as_string(hide_password=False)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return one_line(self._url.render_as_string(hide_password=True))

    def __str__(self) -> str:
        return f"gradebook {self.shown}"

    @property
    def place(self) -> tuple[object, ...]:
        """Which database it is, whoever asks and however it is spelled."""
        if self._url.get_backend_name() == "sqlite":
            return ("sqlite", Path(self._url.database or "").resolve())
        return self._url.get_backend_name(), self._url.host, self._url.port, self._url.database

    def admit(self) -> None:
        """See that it is a gradebook of this nbgrader's, or empty.

        Raises:
            UsageError: It is neither.
        """
        engine = create_engine(self._url)
        script = ScriptDirectory(ALEMBIC_DIR)
        wanted = script.get_current_head()
        try:
            with engine.begin() as connection:
                context = MigrationContext.configure(connection)
                if not inspect(connection).get_table_names():
                    # nbgrader would start a program to find out the version, and looks for it in PATH.
                    context.stamp(script, "head")
                    return
                found = context.get_current_revision()
        finally:
            engine.dispose()
        if found is None:
            raise UsageError(f"{self}: there are tables in it, but not a gradebook's; name an empty database")
        if found != wanted:
            raise UsageError(
                f"{self}: its schema is {one_line(found)}, and that of nbgrader {nbgrader_version} is {wanted}; "
                "keep a copy of it and run 'nbgrader db upgrade', or install the nbgrader that made it"
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Gradebook]:
        """The gradebook, in which all is done or nothing: its API commits at every step, here into ours around it.

        See "Joining a Session into an External Transaction" in SQLAlchemy's documentation.
        """
        with Gradebook(self.url) as book:
            book.db.remove()
            with book.engine.begin() as connection:
                book.db.configure(bind=connection, join_transaction_mode="rollback_only")
                try:
                    yield book
                    book.db.commit()
                finally:
                    book.db.remove()

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Turns what goes wrong with it into one line, and keeps nbgrader from telling it at length.

        Raises:
            UsageError: What went wrong.
        """
        log = logging.getLogger("tornado.application")
        disabled, log.disabled = log.disabled, True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SAWarning)  # of how nbgrader adds a submission
                yield
        except (SQLAlchemyError, InvalidEntry, MissingEntry, ImportError) as error:
            raise UsageError(f"{self}: {_reason(error)}") from None
        except OSError as error:
            raise UsageError(f"{one_line(str(error.filename or self))}: {error.strerror or error}") from None
        finally:
            log.disabled = disabled


def _reason(error: Exception) -> str:
    """Cause and remedy, without statements and traces."""
    match error:
        case ImportError():
            return f"its driver is not installed ({error}): pip install 'autograder[postgres]', or the one you need"
        case NoSuchModuleError():
            return "there is no such kind of database; a URL begins with sqlite:/// or postgresql://"
        case DBAPIError():
            text, remedy = str(error.orig), "; see that it is there and may be written to, and run again"
        case _:
            text, remedy = str(error), ""
    first = next(iter(text.strip().splitlines()), type(error).__name__)
    return one_line(first)[:_LONGEST_REASON] + remedy
