"""The JSON document (schema 1): what `records` promises its readers, byte for byte."""

import math

import msgspec

from autograder.errors import UsageError
from autograder.records import SCHEMA, Report

_LARGEST = 2**63


class _Header(msgspec.Struct):
    schema: int


def encode(report: Report) -> bytes:
    """`report` as indented JSON in UTF-8, with a newline at the end.

    Text and figures that JSON has no form for are written as text that shows them: half a surrogate pair as
    ``\\\\udc80``, a figure that is not finite as ``"nan"``. No submission can make its own report unwritable.
    """
    document = writable(msgspec.to_builtins(report))
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode(data: bytes) -> Report:
    """The report in `data`. Fields that this version does not know are passed over.

    Raises:
        UsageError: It is no report, or one of another schema.
    """
    try:
        schema = msgspec.json.decode(data, type=_Header).schema
        if schema != SCHEMA:
            raise UsageError(f"a report of schema {schema}; this version reads schema {SCHEMA}")
        return msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not a report of this grader: {error}") from None


def writable(value: object) -> object:
    """`value` with every part that JSON cannot hold as text."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {writable(key): writable(item) for key, item in value.items()}
        case list() | tuple():
            items = [writable(item) for item in value]
            figures_lost = any(
                isinstance(new, str) != isinstance(old, str) for new, old in zip(items, value, strict=True)
            )
            return str(list(value)) if figures_lost else items
        case float() if not math.isfinite(value):
            return str(value)
        case int() if not -_LARGEST <= value < _LARGEST:
            return str(value)
        case _:
            return value
