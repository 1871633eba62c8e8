"""Exercises whose tensors may be on GPUs: `autograder check NAME --device cuda`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from autograder.catalog import Course, ExerciseFolder
from autograder.cli import main
from autograder.records import Device

COURSE = Course.find(Path(__file__).parent)
ON_GPUS = [folder for folder in COURSE.exercises("solutions") if Device.CUDA in folder.exercise.devices]


@pytest.fixture(scope="module")
def gpus() -> int:
    """How many GPUs torch sees."""
    count = "import torch; print(torch.cuda.device_count())"
    return int(subprocess.run([sys.executable, "-c", count], check=True, capture_output=True, text=True).stdout)


def _check(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments), "--course", str(COURSE.root)])


def test_what_is_distributed_can_be_on_gpus() -> None:
    """The exercises of data parallel training offer it, and no other does."""
    assert ["ddp", "all_reduce", "overlap"] == [folder.exercise.name for folder in ON_GPUS]


@pytest.mark.parametrize("folder", ON_GPUS, ids=[folder.exercise.name for folder in ON_GPUS])
def test_the_references_pass_on_gpus(gpus: int, folder: ExerciseFolder) -> None:
    """The reference passes every public check with its tensors on a GPU."""
    if gpus == 0:
        pytest.skip("torch sees no GPU here")
    shown = _check(folder.reference, "--device", "cuda", "-v")
    score, points = re.search(r"(\S+) of (\S+) points", shown.output).groups()  # type: ignore[union-attr]
    assert score == points, shown.output
    assert "skipped" not in shown.output, shown.output


def test_without_a_gpu_the_checks_are_skipped(gpus: int) -> None:
    """Where there is no GPU each check says so, and none is failed."""
    if gpus:
        pytest.skip("torch sees a GPU here")
    shown = _check(ON_GPUS[0].reference, "--device", "cuda")
    assert 0 == shown.exit_code, shown.output
    assert "torch sees no GPU on this machine" in " ".join(shown.output.split())
    assert "failed" not in shown.output
    assert "✗" not in shown.output


def test_other_exercises_have_no_device() -> None:
    """An exercise without tensors is not checked on a GPU; the line says which are."""
    shown = _check("race", "--device", "cuda")
    assert 2 == shown.exit_code
    assert (
        "--device cuda: race has no tensors that could be there; choose from ddp, all_reduce, overlap" in shown.output
    )


def test_walls_hide_the_gpu() -> None:
    """Behind walls no GPU can be reached, so asking for both is an error that says so."""
    shown = _check("ddp", "--device", "cuda", "--isolation", "namespaces")
    assert 2 == shown.exit_code
    assert "--isolation namespaces: there a GPU cannot be reached" in shown.output
