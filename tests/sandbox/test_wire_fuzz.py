"""The wire format against bytes of all kinds: nothing but WireError, and never more memory than was said."""

import contextlib
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks import fingerprint
from autograder.sandbox import Ending, Outcome
from autograder.sandbox.wire import MAX_FRAME, MAX_MEMORY, WORST, FrameReader, WireError, decode, encode, frame, weigh
from tests.sandbox.test_wire import PLAIN

#: What reading takes whatever the frame is: the reader itself, the buffer, an exception with its trace.
BASE = 64 * 1024

HEADS = st.sampled_from([bytes([head]) for head in (*range(0x80, 0xA3), *range(0xC0, 0xE0))])
SIZES = st.integers(0, 40) | st.sampled_from([255, 2**15, 2**16 - 1, 2**24, 2**31, 2**32 - 1])
PIECES = st.one_of(
    st.binary(max_size=12),
    HEADS,
    st.builds(
        lambda head, size, width: head + size.to_bytes(8, "big")[-width:], HEADS, SIZES, st.sampled_from([1, 2, 4])
    ),
    PLAIN.map(encode),
    st.builds(
        lambda code, data: bytes(msgpack.packb(msgpack.ExtType(code, data))), st.integers(0, 7), st.binary(max_size=40)
    ),
    st.builds(lambda code, value: bytes(msgpack.packb(msgpack.ExtType(code, encode(value)))), st.integers(0, 7), PLAIN),
)
#: Pieces of the format in an order that makes little sense, some of them many times.
MESSES = st.lists(
    st.builds(lambda piece, times: piece * times, PIECES, st.sampled_from([1, 1, 1, 40])), max_size=12
).map(b"".join)


def _read(data: bytes, room: int = MAX_MEMORY) -> Any:
    """What the grader does with a frame."""
    (whole,) = FrameReader(room=room).feed(frame(data))
    return decode(whole)


def _peak(task: Callable[[], object]) -> int:
    """The memory that ``task`` takes at its worst, what it answers included; refusals are fine."""
    with contextlib.suppress(WireError):
        task()  # what is made once only, as regular expressions are, counts for nobody
    tracemalloc.start()
    try:
        with contextlib.suppress(WireError):
            kept = task()  # noqa: F841 - lives until the peak is taken
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300) | MESSES)
def test_a_frame_takes_little_more_than_its_length(data: bytes) -> None:
    """Any bytes are plain data or a WireError, and take at most WORST times their length while that is found out."""
    assert _peak(lambda: _read(data)) <= WORST * len(data) + BASE


@given(PLAIN | st.lists(PIECES, max_size=3), st.integers(1, 4), st.data())
def test_a_damaged_frame_takes_little_more_than_its_length(value: object, changes: int, data: st.DataObject) -> None:
    """So do bytes that were a value until some were changed, left out or put in, or the end was lost."""
    damaged = bytearray(encode(value))
    for _ in range(changes):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(HEADS | st.binary(max_size=5))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    assert _peak(lambda: _read(bytes(damaged))) <= WORST * len(damaged) + BASE


@given(MESSES, st.integers(0, 400) | st.integers(0, 20_000))
def test_no_room_is_exceeded(data: bytes, room: int) -> None:
    """Where there is less room, more is refused, and what is read keeps within the room."""
    assert _peak(lambda: _read(data, room)) <= max(room, 2 * len(data)) + BASE


@given(PLAIN)
@settings(max_examples=20)
def test_many_values_take_no_more_than_they_weigh(value: object) -> None:
    """The weight is not less than what is taken, also where the kinds of values are told apart."""
    for whole in ([value] * 300, (value,) * 300, dict.fromkeys(range(300), value)):
        data = encode(whole)
        exact = weigh(data, WORST * len(data) - 1)
        assert _peak(lambda data=data: decode(data)) <= exact + BASE  # type: ignore[misc]


#: The units of which as many as fit are sent, with what is built of each.
DENSE = {
    "empty lists": b"\x90",
    "empty dictionaries": b"\x80",
    "dictionaries of one": b"\x81\x01\x01",
    "dictionaries of six": b"\x86" + b"".join(bytes([key, 1]) for key in range(6)),
    "dictionaries of eleven": b"\x8b" + b"".join(bytes([key, 1]) for key in range(11)),
    "one number": b"\x01",
    "numbers of two bytes": b"\xd0\x80",
    "numbers of three bytes": b"\xcd\x7f\xff",
    "numbers of five bytes": b"\xce\xff\xff\xff\xff",
    "numbers of nine bytes": b"\xcf" + b"\xff" * 8,
    "floats": b"\xcb" + b"\x3f" * 8,
    "short floats": b"\xca" + b"\x3f" * 4,
    "two letters": b"\xa2ab",
    "one strange letter": b"\xa2\xc4\x80",
    "one rare letter": b"\xa4" + "\U0001f600".encode(),
    "letters with one rare": b"\xb0" + b"a" * 12 + "\U0001f600".encode(),
    "a text with one rare letter": b"\xd9\xff" + b"a" * 251 + "\U0001f600".encode(),
    "two bytes": b"\xc4\x02ab",
    "empty tuples": b"\xd4\x01\x90",
    "tuples of one": b"\xd5\x01\x91\x01",
    "complex numbers": b"\xc7\x03\x05\x92\x01\x01",
    "large integers": b"\xd8\x03" + b"\x70" * 16,
    "small integers, written large": b"\xd4\x03\x80",
    "empty arrays": b"\xc7\x08\x02\x93\xa3|b1\x90\xc4\x00",
    "arrays the other way round": b"\xc7\x0a\x02\x93\xa3>f8\x91\x00\xc4\x00",
    "times": b"\xd6\xff\x00\x00\x00\x01",
}


@pytest.mark.parametrize("unit", DENSE.values(), ids=DENSE.keys())
def test_the_densest_bytes_keep_within_their_weight(unit: bytes) -> None:
    """However small the bytes and large the objects: decoded, alone or in tuples, they take no more than they weigh."""
    count = 3000
    flat = b"\xdd" + count.to_bytes(4, "big") + unit * count
    tuples = flat
    for _ in range(20):
        tuples = bytes(msgpack.packb(msgpack.ExtType(1, b"\x91" + tuples)))
    for data in (flat, bytes(msgpack.packb(msgpack.ExtType(1, flat))), tuples):
        exact = weigh(data, WORST * len(data) - 1)
        peak = _peak(lambda data=data: decode(data))  # type: ignore[misc]
        assert peak <= min(exact, WORST * len(data)) + BASE


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xdd\x00\x00\xff\xff" * 300 + b"\x00" * 0xFFFF, id="long lists that hold only one another"),
        pytest.param(b"\xdc\x10\x00" * 1000 + b"\x00" * 2000, id="lists that are longer than the rest"),
        pytest.param(
            b"\xc7\xff\x01" * 20 + b"\xdd\x00\x00\x20\x00" * 500 + b"\x00" * 0x2000, id="such lists in tuples"
        ),
        pytest.param(b"\xdf\x00\x00\xff\xff", id="a dictionary that is not there"),
    ],
)
def test_what_is_only_announced_takes_no_room(data: bytes) -> None:
    """A list is made before its elements are read: one that cannot be whole is not made."""
    assert _peak(lambda: _read(data)) <= 16 * len(data) + BASE
    with pytest.raises(WireError):
        _read(data)


HOSTILE_FRAMES = """
import sys
from autograder.sandbox.wire import MAX_FRAME, FrameReader, WireError, decode, frame

def peak():
    return int(dict(line.split(":", 1) for line in open("/proc/self/status"))["VmHWM"].split()[0]) // 1024

before = peak()
for unit in (b"\\x90", b"\\x81\\x01\\x01", b"\\xdd\\x01\\x00\\x00\\x00"):
    count = (MAX_FRAME - 5) // len(unit)
    try:
        reader = FrameReader()
        for data in reader.feed(frame(b"\\xdd" + count.to_bytes(4, "big") + unit * count)):
            decode(data)
    except WireError as error:
        print(error)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_largest_frames_do_not_fill_the_memory() -> None:
    """32 MiB of empty lists would be two gigabytes: they are refused, with the limit, at the price of their bytes."""
    done = subprocess.run([sys.executable, "-c", HOSTILE_FRAMES], capture_output=True, text=True, check=True)
    *refusals, mib = done.stdout.splitlines()
    assert ["268,435,456 bytes of memory"] * 2 == [line[line.index("2") :][:27] for line in refusals[:2]]
    assert ["the bytes are no value: its lists are longer than all of it"] == refusals[2:]
    assert int(mib) < 4 * MAX_FRAME // 2**20 + 32


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([index / 7 for index in range(100_000)], id="floats"),
        pytest.param([(index, index / 7) for index in range(100_000)], id="tuples"),
        pytest.param([index % 1000 for index in range(3_000_000)], id="three million integers"),
        pytest.param({index: {"loss": 1.0, "ranks": [1, 2, 3, 4]} for index in range(50_000)}, id="dictionaries"),
        pytest.param({(index, -index): float(index) for index in range(50_000)}, id="tuples as keys"),
        pytest.param({complex(a, b): 1 for a in range(100) for b in range(100)}, id="complex keys"),
        pytest.param({2**70 + index: 1 for index in range(20_000)}, id="large integers"),
        pytest.param(dict.fromkeys(range(1_000_000), 42), id="a million keys"),
        pytest.param("word " * 6_000_000, id="a long text"),
        pytest.param(["a word"] * 500_000, id="many words"),
        pytest.param([b"x" * 31 * 2**20], id="bytes"),
        pytest.param((np.zeros(2**21), np.ones((2**10, 2**10), "f4"), [np.arange(10)] * 1000), id="arrays"),
    ],
)
def test_large_honest_answers_are_read(value: object) -> None:
    """The limits are far from what an exercise asks for."""
    found = _read(encode({"kind": "value", "value": value}))["value"]
    assert type(value) is type(found)
    if not isinstance(value, tuple):
        assert value == found


def test_all_frames_of_a_stream_share_the_room() -> None:
    """Who sends one large answer after another fills no more memory than with one."""
    lists = encode([[] for _ in range(1000)])
    reader = FrameReader(room=2 * WORST * len(lists))
    assert 2 == len(reader.feed(frame(lists) * 2))
    with pytest.raises(WireError, match=f"more than {2 * WORST * len(lists):,} bytes of memory"):
        reader.feed(frame(lists))


_PRIME = 2**61 - 1  # of which the hash of an integer is the remainder


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([(2**64 + index) * _PRIME for index in range(50_000)], id="integers"),
        pytest.param([(1, (2**64 + index) * _PRIME) for index in range(50_000)], id="tuples"),
    ],
)
def test_keys_of_one_hash_are_refused(keys: list[object]) -> None:
    """A dictionary whose keys all have the same hash would take hours to build: it is refused at once."""
    data = b"\xdf" + len(keys).to_bytes(4, "big") + b"".join(encode(key) + b"\x01" for key in keys)
    with pytest.raises(WireError, match="keys of one hash"):
        decode(data)
    few = dict.fromkeys(keys[:64], 1)
    assert few == decode(encode(few))


@given(
    st.text(max_size=8)
    | st.from_regex(r"[<>|=]?[?biufcmMOSUVa][0-9]{0,3}", fullmatch=True)
    | st.sampled_from(["f8,f8", "(2,)f8"]),
    st.lists(st.integers(-2, 2**64 - 1) | st.integers(0, 5), max_size=4) | st.lists(st.just(0), max_size=80) | PLAIN,
    st.binary(max_size=64) | PLAIN,
)
def test_an_array_that_lies_is_refused(dtype: str, shape: object, data: object) -> None:
    """Whatever dtype, shape and bytes are said to be one array: it is an array of plain numbers, or a WireError."""
    payload = bytes(msgpack.packb(msgpack.ExtType(2, encode([dtype, shape, data]))))
    try:
        found = _read(payload)
    except WireError:
        return
    assert isinstance(found, np.ndarray)
    assert (list(found.shape), data) == (shape, found.tobytes())
    assert found.dtype.kind in "biufc"


@pytest.mark.parametrize("dtype", ["f8," * 1_000_000, "(" * 100_000, "f8" + " " * 1_000_000, "<f8\n", "\x1b[31m"])
def test_a_dtype_is_a_short_name(dtype: str) -> None:
    """What numpy would parse for minutes, or make records of, is no dtype of ours."""
    with pytest.raises(WireError, match=r"^an array that is none$"):
        decode(bytes(msgpack.packb(msgpack.ExtType(2, encode([dtype, [1], b"\0" * 8])))))


@pytest.mark.parametrize(
    "payload", [b"\xa3abc", b"\xc4\x03abc", b"\x81\x01\x01", b"\x05", b"\xc0", b"\x92\x01", b"\x91\x01\x01"]
)
@pytest.mark.parametrize("code", [1, 5])
def test_what_a_tuple_is_made_of_is_a_list(code: int, payload: bytes) -> None:
    """A text, a dictionary, or half a list are not turned into tuples or complex numbers."""
    with pytest.raises(WireError):
        decode(bytes(msgpack.packb(msgpack.ExtType(code, payload))))


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((1,) * 64),
        np.zeros((3, 0, 2**25), "<i2"),
        np.array(7.5),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(10)[::-2],
        np.zeros(2, np.longdouble),
        [[]] * 3,
        {float("inf"): float("-inf"), None: -0.0, b"": "", (): ((),)},
    ],
    ids=repr,
)
def test_edges_come_back(value: object) -> None:
    """What may travel and is at the edge of it arrives as it was."""
    assert fingerprint(value) == fingerprint(_read(encode(value)))


def test_what_could_not_be_read_is_not_sent() -> None:
    """An array of a size that no reader takes is refused where it is sent, where the student is told of it."""
    with pytest.raises(WireError, match=r"of the shape \(0, 1000000000\), which is too large"):
        encode(np.empty((0, 10**9)))


@given(PLAIN | st.recursive(st.text(st.characters(categories=["L", "Cs"])) | st.sets(st.integers()), st.lists))
@settings(max_examples=50)
def test_what_is_encoded_can_be_read(value: object) -> None:
    """Either it is refused on its way out, or it comes back as it was."""
    try:
        data = encode(value)
    except WireError:
        return
    assert fingerprint(value) == fingerprint(_read(data))


FORGER = """
import os, struct

def f():
    data = b"\\xdd" + struct.pack(">I", 30_000_000) + b"\\x90" * 30_000_000
    data = struct.pack(">Q", len(data)) + data
    os.set_blocking(3, True)
    while data:
        data = data[os.write(3, data):]
"""


def test_a_forger_of_objects_is_told_the_limit(run: Callable[..., Outcome]) -> None:
    """Who writes millions of lists to the grader has crashed, and one line says what the limit is."""
    outcome = run(FORGER)
    assert Ending.CRASHED is outcome.ending
    assert (
        "The process sent what is no answer: an answer that takes more than 268,435,456 bytes of memory when it is read."
        == outcome.message
    )
