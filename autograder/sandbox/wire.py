"""The safe format between the grader and the sandbox: MessagePack, and nothing that runs code when it is read.

A value is None, a bool, int, float, complex, str, bytes, list, tuple, dict or a numpy array of plain numbers, nested
as they like. Subclasses travel as their base (read with the base's own methods: what they override is not asked).

A few bytes can stand for large objects: an empty list is one byte here and seventy in memory. So frames are weighed
before anything is made of them (`FrameReader`).
"""

import math
import re
import struct
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgpack

from autograder.errors import AutograderError

#: The largest answer that the grader reads, in bytes.
MAX_FRAME = 32 * 1024 * 1024
#: What all values of one stream may take in memory, in bytes.
MAX_MEMORY = 256 * 1024 * 1024
#: No frame takes more memory than this times its length. The worst are small dictionaries within tuples within tuples.
WORST = 128

#: Bytes of the largest integer: Python itself refuses to print one of more than 4300 digits.
_LARGEST_INTEGER = 1024
#: Sizes of an array that a frame could hold are smaller.
_LARGEST_SIZE = 2**25
_MOST_DIMENSIONS = 64  # numpy's own limit
#: Keys of a dictionary with one and the same hash. Each is compared with all before it, and tuples, complex numbers and
#: large integers with the hash that one wants are easily made (texts and bytes are hashed with a secret).
_MOST_OF_A_HASH = 64
#: Tuples within tuples (and what else is an extension): each costs the decoder 45 KiB of its stack.
DEEPEST = 24

_LENGTH = struct.Struct(">Q")
_TUPLE, _ARRAY, _BIG_INT, _FUNCTION, _COMPLEX = 1, 2, 3, 4, 5
_ARRAY_KINDS = "biufc"
#: Asked before numpy is, which takes megabytes of other names and minutes over them.
_DTYPE = re.compile(r"[<>|][biufc]\d{1,2}")

# What values weigh, by their first bytes: bytes of memory for each byte of the frame. Each value has 16 for its place
# in a list and in the tuple that may become of it.
_SMALL = rb"[\x00-\x7f\xa0\xc0\xc2\xc3\xe0-\xff]|\xa1.|[\xcc\xd0].|[\xcd\xd1].."  # or there already, as True is
_LARGE = rb"[\xca\xce\xd2].{4}|[\xcf\xd3].{8}"
_FLOAT = rb"\xcb.{8}"
_WORD, _WORDS, _SENTENCE = (
    b"|".join(rb"\x%02x.{%d}" % (0xA0 + size, size) for size in sizes)
    for sizes in (range(2, 8), range(8, 16), range(16, 32))
)
_LIST = rb"[\x80\x90-\x9f]"  # or an empty dictionary; what is in it weighs for itself
_INSIDE = rb"(?:[\xd4-\xd8]|\xc7.)[\x01\x05]"  # a tuple or a complex number: a list follows
_RATES = {_SMALL: 24, _LARGE: 10, _FLOAT: 6, _WORD: 32, _WORDS: 13, _SENTENCE: 9, _LIST: 80, _INSIDE: 32}
_OTHERS = (rb"[\x81-\x8f]", rb"(?:[\xd4-\xd8]|\xc7.)\x02")
#: Values of one kind after one another, and such of any. Possessive: a run of millions needs no memory.
_RUN_OF_ONE = re.compile(b"|".join(b"((?:%s)++)" % kind for kind in _RATES), re.DOTALL)
_RUN_OF_ANY = re.compile(b"(?:%s)++" % b"|".join((*_RATES, *_OTHERS)), re.DOTALL)
_RATE_OF_GROUP = (0, *_RATES.values())
#: After which first bytes a length follows, and its own length.
_WIDTHS = dict(zip((*range(0xC4, 0xCA), *range(0xD9, 0xE0)), (1, 2, 4, 1, 2, 4, 1, 2, 4, 2, 4, 2, 4), strict=True))


class WireError(AutograderError):
    """The bytes are no value, or the value is none that may travel."""


class Function:
    """A function of a module in the sandbox, named by the grader: travels one way only, towards the sandbox."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name


def modules_named(value: object) -> set[str]:
    """The modules of all functions that ``value`` refers to."""
    if isinstance(value, Function):
        return {value.module}
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return set().union(*(modules_named(item) for item in inside if isinstance(item, Function | dict | list | tuple)))


def encode(value: object) -> bytes:
    """Bytes of ``value``.

    Raises:
        WireError: It holds something that is not plain data; the text names its type.
    """
    return _pack(value, 0)


def _pack(value: object, depth: int) -> bytes:
    if depth > DEEPEST:
        raise WireError("it is nested too deeply")
    try:
        return bytes(msgpack.packb(value, default=lambda other: _encode_other(other, depth + 1), strict_types=True))
    except WireError:
        raise
    except RecursionError:
        raise WireError("it is nested too deeply") from None
    except Exception as error:
        raise WireError(str(error) or type(error).__name__) from None


def decode(data: bytes, resolve: Callable[[Function], object] | None = None) -> Any:
    """The value that ``data`` holds. ``resolve`` turns a :class:`Function` into what it names (sandbox side only).

    It takes as much memory as :func:`weigh` says: bytes of a stranger come through a :class:`FrameReader`.

    Raises:
        WireError: The bytes are not what :func:`encode` makes.
    """

    depth = 0

    def extension(code: int, payload: bytes) -> object:
        nonlocal depth
        if depth == DEEPEST:
            raise WireError("it is nested too deeply")
        depth += 1
        try:
            return known_extension(code, payload)
        finally:
            depth -= 1

    def known_extension(code: int, payload: bytes) -> object:
        match code:
            case 1:
                return tuple(_unpack_list(payload, extension))
            case 2:
                return _decode_array(payload, extension)
            case 3 if len(payload) <= _LARGEST_INTEGER:
                return int.from_bytes(payload, "big", signed=True)
            case 4 if resolve is not None:
                module, name = _unpack_list(payload, extension)
                return resolve(Function(module, name))
            case 5:
                return complex(*_unpack_list(payload, extension))
        raise WireError(f"an extension of the type {code} that is none")

    try:
        return _unpack(data, extension)
    except WireError:
        raise
    except ImportError:
        raise
    except Exception as error:
        raise WireError(f"the bytes are no value: {str(error) or type(error).__name__}") from None


def weigh(data: bytes, room: int = MAX_MEMORY) -> int:
    """At most how much memory :func:`decode` takes for ``data``, in bytes; or some number above ``room``.

    Of bytes that are no value: what it takes until that is found out.

    Raises:
        WireError: Lists announce more than ``data`` can hold. The room for that would be made at once.
    """
    small = len(data) * WORST <= room  # whatever it is, there is room: nothing needs to be told apart
    run_at = (_RUN_OF_ANY if small else _RUN_OF_ONE).match
    weight = announced = at = 0
    while at < len(data) and weight <= room:
        if run := run_at(data, at):
            end = run.end()
            weight += _RATE_OF_GROUP[run.lastindex or 0] * (end - at)
            at = end
        else:
            more, elements, at = _weigh_one(data, at)
            weight += more
            announced += elements
            if announced > len(data):
                raise WireError("the bytes are no value: its lists are longer than all of it")
    return len(data) * WORST if small else weight


def _weigh_one(data: bytes, at: int) -> tuple[int, int, int]:
    """What the value at ``at`` weighs, how many elements it announces if it is a list, and where the next one is."""
    head = data[at]
    if 0x81 <= head <= 0x8F:
        return _weigh_dict(head & 15), 0, at + 1
    if 0xD4 <= head <= 0xD8:
        start, size = at + 1, 1 << head - 0xD4
    elif head in _WIDTHS:
        start = at + 1 + _WIDTHS[head]
        size = int.from_bytes(data[at + 1 : start], "big")
    else:
        return 0, 0, len(data)  # no value, or not a whole one: decoding ends here
    if head <= 0xC6:
        return 64 + size, 0, start + size
    if head in (0xDC, 0xDD):
        return 80, size, start
    if head in (0xDE, 0xDF):
        return _weigh_dict(size), 0, start
    if head >= 0xD9:
        return 96 + 6 * size, 0, start + size  # where a letter needs four bytes, all have them; and a copy
    code = data[start] if start < len(data) else 0
    if code in (_TUPLE, _ARRAY, _COMPLEX):  # copied before it is looked into, and so in each of the tuples around it
        return (400 if code == _ARRAY else 64) + size, 0, start + 1
    return 64 + 3 * size, 0, start + 1 + size


def _weigh_dict(entries: int) -> int:
    return 248 if entries <= 5 else 160 * entries  # with a list of its pairs, and with its smaller self as it grows


def frame(data: bytes) -> bytes:
    """``data`` with its length before it."""
    return _LENGTH.pack(len(data)) + data


class FrameReader:
    """Cuts a stream of bytes into frames. Feed it what arrives; it never holds more than one frame and a chunk.

    All frames of the stream together can be decoded in ``room`` bytes of memory.
    """

    def __init__(self, limit: int = MAX_FRAME, room: int = MAX_MEMORY) -> None:
        self._limit = limit
        self._room = self._left = room
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes.

        Raises:
            WireError: A frame announces more than the limit, or there is no room for its value.
        """
        self._buffer += data
        frames = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self._limit:
                raise WireError(f"an answer of {length:,} bytes; at most {self._limit:,} are read")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            with memoryview(self._buffer) as whole:  # a slice of the buffer itself would be one more copy
                frames.append(bytes(whole[_LENGTH.size : end]))
            del self._buffer[:end]
            self._left -= weigh(frames[-1], self._left)
            if self._left < 0:
                raise WireError(f"an answer that takes more than {self._room:,} bytes of memory when it is read")
        return frames


def _unpack(data: bytes, extension: Callable[[int, bytes], object]) -> Any:
    return msgpack.unpackb(
        data, ext_hook=extension, object_pairs_hook=_dict, strict_map_key=False, raw=False, timestamp=1
    )


def _unpack_list(data: bytes, extension: Callable[[int, bytes], object]) -> list[Any]:
    parts = _unpack(data, extension)
    if type(parts) is not list:
        raise WireError("an extension that holds no list")
    return parts


def _dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(pairs) > _MOST_OF_A_HASH:
        counts = Counter(hash(key) for key, _ in pairs)  # hashes themselves are integers that Python keeps apart
        if max(counts.values()) > _MOST_OF_A_HASH:
            raise WireError(f"a dictionary with more than {_MOST_OF_A_HASH} keys of one hash")
    return dict(pairs)


def _encode_other(value: Any, depth: int) -> object:
    # Called for all that MessagePack does not know by its exact type, subclasses too.
    kind = type(value)
    if kind is tuple:
        return msgpack.ExtType(_TUPLE, _pack(list(value), depth))
    if kind is int:
        if value.bit_length() >= 8 * _LARGEST_INTEGER:
            raise WireError(f"it holds an integer of {value.bit_length():,} bits")
        return msgpack.ExtType(_BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if kind is complex:
        return msgpack.ExtType(_COMPLEX, encode([value.real, value.imag]))
    if kind is Function:
        return msgpack.ExtType(_FUNCTION, encode([value.module, value.name]))
    # A value can be of numpy only where numpy was imported: nobody pays for it otherwise.
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if issubclass(kind, numpy.ndarray):
            return _encode_array(numpy.ndarray.view(value, numpy.ndarray), numpy)
        if issubclass(kind, numpy.generic):
            plain = numpy.generic.item(value)
            if type(plain) in (bool, int, float, complex, str, bytes):
                return _known(plain, depth)
    for base, read in _BASES.items():
        if issubclass(kind, base):
            return _known(read(value), depth)
    raise WireError(f"it holds {_article(kind.__name__)}, which is not plain data")


def _known(plain: Any, depth: int) -> object:
    """What MessagePack takes for ``plain``, which has an exact type: it does not ask a second time."""
    big = type(plain) is int and not -(2**63) <= plain < 2**64
    return _encode_other(plain, depth) if big or type(plain) in (tuple, complex) else plain


_BASES: dict[type, Callable[[Any], object]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: bytes.__bytes__,
    bytearray: lambda value: bytes(memoryview(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
}


def _encode_array(value: Any, numpy: Any) -> object:
    if value.dtype.kind not in _ARRAY_KINDS:
        raise WireError(f"it holds a numpy array of dtype {value.dtype}, which is not plain data")
    if any(size > _LARGEST_SIZE for size in value.shape):
        raise WireError(f"it holds a numpy array of the shape {value.shape}, which is too large")
    data = numpy.ascontiguousarray(value)
    return msgpack.ExtType(_ARRAY, encode([value.dtype.str, list(value.shape), data.tobytes()]))


def _decode_array(payload: bytes, extension: Callable[[int, bytes], object]) -> object:
    import numpy as np

    name, shape, data = _unpack_list(payload, extension)
    if type(name) is not str or type(data) is not bytes or type(shape) is not list or not _DTYPE.fullmatch(name):
        raise WireError("an array that is none")
    if len(shape) > _MOST_DIMENSIONS or not all(type(size) is int and 0 <= size <= _LARGEST_SIZE for size in shape):
        raise WireError("an array of impossible shape")
    dtype = np.dtype(name)
    if dtype.itemsize * math.prod(shape) != len(data):
        raise WireError("an array whose shape does not fit its bytes")
    return np.frombuffer(data, dtype).reshape(shape)


def _article(name: str) -> str:
    return f"an object of type '{name}'"
