"""A PostgreSQL server of the tests' own: in a scratch folder, reached through a socket in it, without a network."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Where Debian has the programs that are not in PATH.
_DEBIAN = Path("/usr/lib/postgresql")


def _program(name: str) -> str:
    found = shutil.which(name) or next((str(p) for p in sorted(_DEBIAN.glob(f"*/bin/{name}"), reverse=True)), None)
    if found is None:
        pytest.skip(f"PostgreSQL's {name} is neither in PATH nor in {_DEBIAN}")
    return found


class Server:
    """A running server, whose databases are new when asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new_database(self) -> str:
        """The URL of an empty database."""
        from sqlalchemy import create_engine, text

        name = f"test_{uuid.uuid4().hex}"
        engine = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._folder}"


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Start a server and stop it again. As root, whom it refuses, it runs as ``nobody``."""
    pytest.importorskip("psycopg")
    initdb, postgres = _program("initdb"), _program("postgres")
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    other = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a socket's path must be short
    process = None
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = folder / "data"
        command = [initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(command, cwd=folder, env={}, check=True, capture_output=True, timeout=120, **other)
        settings = ["-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"]
        log = (folder / "log").open("wb")
        process = subprocess.Popen([postgres, "-D", str(data), *settings], cwd=folder, env={}, stderr=log, **other)
        log.close()
        _wait(process, folder)
        yield Server(folder)
    finally:
        if process is not None:
            process.terminate()
            process.wait(60)
        shutil.rmtree(folder)


def _wait(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            log = (folder / "log").read_text()
            assert process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.05)
