"""Jupyter servers that listen to this machine only, and read and leave nothing of who runs the tests."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

#: What a loaded machine may take for one step, in seconds.
PATIENCE = 120

#: Nothing is asked of the network, and nobody is asked whether it may be.
_SETTINGS = Path("@jupyterlab", "apputils-extension", "notification.jupyterlab-settings")
_SILENCE = {"fetchNews": "false", "checkForUpdates": False}
_SERVER = (
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port=0",
    "--LabApp.extension_manager=readonly",
    "--LabApp.news_url=None",
)


@contextlib.contextmanager
def server(folder: Path, home: Path) -> Iterator[str]:
    """JupyterLab in `folder`, with its own files in `home`; gives its address, with a place for the page."""
    settings = home / "settings" / _SETTINGS
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(_SILENCE))
    command = [sys.executable, "-m", "jupyterlab", *_SERVER]
    log = home / "log"
    with ending_what_it_starts(), log.open("wb") as output:
        started = subprocess.Popen(
            command, cwd=folder, env=environment(home), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            deadline = time.monotonic() + PATIENCE
            while (facts := _facts(home / "runtime" / f"jpserver-{started.pid}.json")) is None:
                assert started.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{facts['port']}/{{}}?token={facts['token']}"
        finally:
            started.terminate()
            started.wait(PATIENCE)


def _facts(file: Path) -> dict[str, Any] | None:
    """What a server says of itself, once it has said all of it."""
    try:
        facts: dict[str, Any] = json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return facts


def environment(home: Path) -> dict[str, str]:
    """For Jupyter's programs: nothing of who runs the tests is read, nothing is left with them."""
    folders = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic by name
    return {**os.environ, **{name: str(value) for name, value in folders.items()}, "PATH": path}


@contextlib.contextmanager
def ending_what_it_starts() -> Iterator[None]:
    """Processes that are still there at the end, of all that were started meanwhile, are killed."""
    here = psutil.Process()
    before = set(here.children(recursive=True))
    try:
        yield
    finally:
        for process in set(here.children(recursive=True)) - before:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
