"""The folder in which a kernel keeps the code of its cells."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autograder.notebook.modules import Modules


def test_what_a_killed_kernel_left_goes_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that was killed could not remove its folder: the next one does, and touches no folder of one that runs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "from autograder.notebook.modules import Modules; import os; Modules(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    running = tmp_path / f"autograder-notebook-{os.getppid()}-x"
    running.mkdir()
    modules = Modules()
    assert sorted([running, modules.folder]) == sorted(tmp_path.iterdir())
    assert not left.exists()
