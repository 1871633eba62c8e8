"""The safe format between the grader and the sandbox: MessagePack, and nothing that runs code when it is read.

A value is None, a bool, int, float, complex, str, bytes, list, tuple, dict or a numpy array of plain numbers, nested
as they like. Subclasses travel as their base (read with the base's own methods: what they override is not asked).
"""

import math
import struct
import sys
from collections.abc import Callable
from typing import Any

import msgpack

#: The largest answer that the grader reads, in bytes.
MAX_FRAME = 32 * 1024 * 1024

#: Bytes of the largest integer: Python itself refuses to print one of more than 4300 digits.
_LARGEST_INTEGER = 1024
#: Sizes of an array that a frame could hold are smaller.
_LARGEST_SIZE = 2**25
#: Tuples within tuples (and what else is an extension): each costs the decoder 45 KiB of its stack.
DEEPEST = 24

_LENGTH = struct.Struct(">Q")
_TUPLE, _ARRAY, _BIG_INT, _FUNCTION, _COMPLEX = 1, 2, 3, 4, 5
_ARRAY_KINDS = "biufc"


class WireError(Exception):
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
                return tuple(_unpack(payload, extension))
            case 2:
                return _decode_array(payload, extension)
            case 3 if len(payload) <= _LARGEST_INTEGER:
                return int.from_bytes(payload, "big", signed=True)
            case 4 if resolve is not None:
                module, name = _unpack(payload, extension)
                return resolve(Function(module, name))
            case 5:
                return complex(*_unpack(payload, extension))
        raise WireError(f"an extension of the type {code} that is none")

    try:
        return _unpack(data, extension)
    except WireError:
        raise
    except ImportError:
        raise
    except Exception as error:
        raise WireError(f"the bytes are no value: {error or type(error).__name__}") from None


def frame(data: bytes) -> bytes:
    """``data`` with its length before it."""
    return _LENGTH.pack(len(data)) + data


class FrameReader:
    """Cuts a stream of bytes into frames. Feed it what arrives; it never holds more than one frame and a chunk."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes.

        Raises:
            WireError: A frame announces more than the limit.
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
        return frames


def _unpack(data: bytes, extension: Callable[[int, bytes], object]) -> Any:
    return msgpack.unpackb(data, ext_hook=extension, strict_map_key=False, raw=False, timestamp=1)


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
    data = numpy.ascontiguousarray(value)
    return msgpack.ExtType(_ARRAY, encode([value.dtype.str, list(value.shape), data.tobytes()]))


def _decode_array(payload: bytes, extension: Callable[[int, bytes], object]) -> object:
    import numpy as np

    name, shape, data = _unpack(payload, extension)
    if type(name) is not str or type(data) is not bytes or type(shape) is not list or len(shape) > 32:
        raise WireError("an array that is none")
    if not all(type(size) is int and 0 <= size <= _LARGEST_SIZE for size in shape):
        raise WireError("an array of impossible shape")
    dtype = np.dtype(name)
    if dtype.kind not in _ARRAY_KINDS or dtype.itemsize * math.prod(shape) != len(data):
        raise WireError("an array whose shape does not fit its bytes")
    return np.frombuffer(data, dtype).reshape(shape)


def _article(name: str) -> str:
    return f"an object of type '{name}'"
