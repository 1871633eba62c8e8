"""Whether a call gives one result under all conditions: repeats, numbers of workers, start methods, injected delays."""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Run(Generic[Value]):
    """What a call gave under a condition, told in the student's words: "2 workers", "worker 0 late"."""

    condition: str
    value: Value


@dataclass(frozen=True, slots=True)
class Difference(Generic[Value]):
    """Two conditions under which the results of one call differ."""

    first: Run[Value]
    second: Run[Value]


def first_difference(runs: Iterable[Run[Value]]) -> Difference[Value] | None:
    """The first run, with the first of the others whose result is not bit by bit the same.

    ``runs`` are taken one after the other, so that a generator calls nothing more once a difference is found.
    """
    ahead = iter(runs)
    first = next(ahead, None)
    if first is None:
        return None
    expected = fingerprint(first.value)
    return next((Difference(first, run) for run in ahead if fingerprint(run.value) != expected), None)


def fingerprint(value: object) -> str:
    """A short digest of nested plain data: the same for equal bits only (-0.0 is not 0.0, and 1 is not 1.0)."""
    digest = hashlib.blake2b(digest_size=12)
    _absorb(digest, value)
    return digest.hexdigest()


def _absorb(digest: "hashlib.blake2b", value: Any) -> None:
    digest.update(type(value).__name__.encode() + b":")
    if isinstance(value, float):
        digest.update(struct.pack("<d", value))
    elif isinstance(value, dict):
        digest.update(struct.pack("<Q", len(value)))
        for key, item in value.items():
            _absorb(digest, key)
            _absorb(digest, item)
    elif isinstance(value, list | tuple):
        digest.update(struct.pack("<Q", len(value)))
        for item in value:
            _absorb(digest, item)
    elif hasattr(value, "tobytes"):
        digest.update(f"{value.dtype.str}{value.shape}".encode() + value.tobytes())
    else:
        data = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(struct.pack("<Q", len(data)) + data)
