"""The wire format: carries all plain data unchanged, and nothing else, whatever the bytes are."""

import contextlib
import math
import struct
from collections import namedtuple
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autograder.checks import fingerprint
from autograder.sandbox.wire import DEEPEST, FrameReader, Function, WireError, decode, encode, frame

INTEGERS = st.integers(-(2**200), 2**200)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats() | st.complex_numbers() | st.text() | st.binary(max_size=50)
KEYS = st.none() | st.booleans() | INTEGERS | st.text() | st.binary(max_size=10)
ARRAYS = arrays.arrays(
    st.sampled_from(["?", "i1", "u2", "<i8", ">f4", "f8", "c16"]), arrays.array_shapes(min_dims=0, min_side=0)
)
PLAIN = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS | st.tuples(KEYS, KEYS), inner, max_size=4)
    ),
    max_leaves=20,
)


def _nested(depth: int, wrap: Callable[[Any], Any]) -> object:
    value: object = 1
    for _ in range(depth):
        value = wrap(value)
    return value


@given(PLAIN)
def test_plain_data_comes_back_bit_by_bit(value: object) -> None:
    """Every value that may travel arrives with its types, signs of zero, NaNs, dtypes and shapes."""
    assert fingerprint(value) == fingerprint(decode(encode(value)))


class _LyingInt(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 42

    def __index__(self) -> int:
        return 42

    def __reduce__(self) -> Any:
        raise AssertionError("asked")


class _LyingFloat(float):
    def __float__(self) -> float:
        return 42.0


class _LyingText(str):
    def __str__(self) -> str:
        return "42"

    def encode(self, *_: object) -> bytes:  # type: ignore[override]
        return b"42"


class _LyingBytes(bytes):
    def __bytes__(self) -> bytes:
        return b"42"


class _LyingList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return iter([42])

    def __len__(self) -> int:
        return 1


class _LyingTuple(tuple):  # type: ignore[type-arg]
    __slots__ = ()

    def __iter__(self) -> Any:
        return iter([42])


class _LyingDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        return {42: 42}.items()


class _LyingArray(np.ndarray):  # type: ignore[type-arg]
    def tobytes(self, *_: object) -> bytes:  # type: ignore[override]
        return b"4" * self.nbytes

    def view(self, *_: object) -> Any:  # type: ignore[override]
        return np.full(3, 42.0)


class _LyingComplex(complex):
    def __complex__(self) -> complex:
        return 42j


class _Kind(IntEnum):
    """An honest subclass."""

    ONE = 1


_Point = namedtuple("_Point", "x y")


@pytest.mark.parametrize(
    ("base", "value"),
    [
        (7, _LyingInt(7)),
        (2**70, _LyingInt(2**70)),
        (2.5, _LyingFloat(2.5)),
        (1 + 2j, _LyingComplex(1 + 2j)),
        ("seven", _LyingText("seven")),
        (b"seven", _LyingBytes(b"seven")),
        ([7, 8], _LyingList([7, 8])),
        ((7, 8), _LyingTuple((7, 8))),
        ({7: 8}, _LyingDict({7: 8})),
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]).view(_LyingArray)),
        (1, _Kind.ONE),
        ((1, 2), _Point(1, 2)),
        ([(1, (2, 3))], [_Point(1, _Point(2, 3))]),
        (b"seven", bytearray(b"seven")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_travel_as_their_base(base: object, value: object) -> None:
    """A subclass arrives as what it is built on, read with the base's own methods: what it overrides is not asked."""
    assert fingerprint(base) == fingerprint(decode(encode(value)))


@pytest.mark.parametrize(
    ("expected", "value"),
    [(True, np.bool_(True)), (7, np.int16(7)), (2.5, np.float64(2.5)), (0.5, np.float32(0.5)), (1j, np.complex128(1j))],
    ids=repr,
)
def test_numbers_of_numpy_travel_as_pythons(expected: object, value: object) -> None:
    """A numpy scalar arrives as the Python number that it is."""
    assert fingerprint(expected) == fingerprint(decode(encode([value]))[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("function", lambda: 1),
        ("object", object()),
        ("type", int),
        ("generator", (item for item in ())),
        ("set", {1}),
        ("range", range(3)),
        ("ValueError", ValueError("a value")),
        ("dtype object", np.array([object()])),
        ("dtype <U1", np.array(["a"])),
        ("16,000 bits", 1 << 15_999),
        ("nested too deeply", _nested(2000, lambda value: [value])),
        ("nested too deeply", _nested(DEEPEST + 1, lambda value: (value,))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_plain_is_refused(name: str, value: object) -> None:
    """Anything else is an error that names what it is, also deep inside."""
    for whole in (value, [value], (1, {"a": value})):
        with pytest.raises(WireError) as caught:
            encode(whole)
        assert name in str(caught.value) or "recursion" in str(caught.value)


def test_tuples_nest_as_deep_as_the_stack_bears() -> None:
    """The deepest nesting that is written can be read."""
    value = _nested(DEEPEST, lambda inner: (inner,))
    assert value == decode(encode(value))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    """Bytes of a stranger raise WireError or are plain data; nothing else can happen."""
    try:
        value = decode(data)
    except WireError:
        return
    assert fingerprint(value) == fingerprint(decode(encode(value)))


@given(PLAIN, st.data())
def test_damaged_bytes_are_a_value_or_an_error(value: object, data: st.DataObject) -> None:
    """So do bytes that were a value before some of them were changed or cut off."""
    damaged = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        decode(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


def _extension(code: int, *parts: object) -> bytes:
    return bytes(msgpack.packb(msgpack.ExtType(code, msgpack.packb(list(parts)))))


def _tuples_around(data: bytes, depth: int) -> bytes:
    for _ in range(depth):
        data = bytes(msgpack.packb(msgpack.ExtType(1, data)))
    return data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_tuples_around(b"\x90", 3000), id="three thousand tuples within one another"),
        pytest.param(_tuples_around(msgpack.packb(b"x" * 2**20), 400), id="a megabyte in four hundred tuples"),
        pytest.param(b"\x91" * 100_000 + b"\x90", id="a hundred thousand lists within one another"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a list of four thousand million that are not there"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="four gigabytes that are not there"),
        pytest.param(b"\x81\x90\x01", id="a list as a key"),
        pytest.param(_extension(2, "O", [1], b"\0" * 8), id="an array of objects"),
        pytest.param(_extension(2, "i8,O", [1], b"\0" * 16), id="an array of records"),
        pytest.param(_extension(2, "f8", [2**40, 2**40], b""), id="an array that is larger than its bytes"),
        pytest.param(_extension(2, "f8", [2**40, 0], b""), id="an empty array of endless length"),
        pytest.param(_extension(2, "f8", [-1], b""), id="an array of negative size"),
        pytest.param(_extension(2, "f8", [0] * 100, b""), id="an array of a hundred dimensions"),
        pytest.param(_extension(2, 5, 5, 5), id="an array that is numbers"),
        pytest.param(_extension(4, "os", "system"), id="a function, on its way to the grader"),
        pytest.param(_extension(5, [], {}), id="a complex number of lists"),
        pytest.param(msgpack.packb(msgpack.ExtType(3, b"\xff" * 5000)), id="an integer of ten thousand digits"),
        pytest.param(_extension(99, 1), id="an unknown extension"),
        pytest.param(b"\xa2\xff\xfe", id="text that is not UTF-8"),
        pytest.param(b"\x01\x01", id="more than one value"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_hostile_bytes_are_refused(data: bytes) -> None:
    """What would fill the memory, overflow the stack, or be more than plain data is no value."""
    with pytest.raises(WireError):
        decode(data)


def test_functions_travel_towards_the_sandbox_only() -> None:
    """A function that the grader names is looked up by the one who decodes, and by nobody else."""
    named = encode(["before", Function("driver", "square")])
    with pytest.raises(WireError):
        decode(named)
    assert ["before", ("driver", "square")] == decode(named, lambda function: (function.module, function.name))


@given(st.lists(PLAIN.map(encode), max_size=6), st.data())
def test_frames_may_be_cut_anywhere(messages: list[bytes], data: st.DataObject) -> None:
    """However the stream is cut into pieces, the same frames come out, none early and none late."""
    stream = b"".join(map(frame, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader, found = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:end])
    assert messages == found


def test_a_frame_has_a_limit() -> None:
    """A frame that announces more than the limit is refused before any of it is kept; one at the limit is read."""
    assert [b"x" * 100] == FrameReader(100).feed(frame(b"x" * 100))
    with pytest.raises(WireError, match="101 bytes; at most 100"):
        FrameReader(100).feed(struct.pack(">Q", 101))


def test_not_a_number_stays_one() -> None:
    """NaN arrives as NaN, so that a comparison with it fails where it should."""
    assert math.isnan(decode(encode(math.nan)))
