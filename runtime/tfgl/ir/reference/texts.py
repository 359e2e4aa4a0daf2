"""Ops of strings that TensorFlow exports and no kernel of TensorFlow.js serves, as TensorFlow computes them."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...dtypes import DType
from ...errors import InvalidArgumentError
from ..cost import check_count
from ..shapes import broadcast_shapes, normalize_axis
from .registry import Array
from .string_arrays import sparse_rows, strings, texts_of

_SPACES = b" \t\n\v\f\r"
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_HEXADECIMAL = re.compile(rb"[+-]?0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(p[+-]?\d+)?", re.IGNORECASE)
_SPECIAL = re.compile(rb"([+-]?)(inf|infinity|nan|nan\(\w*\))", re.IGNORECASE)
_BASE64 = re.compile(rb"[A-Za-z0-9_-]*")
_WHOLE = re.compile(rb"[+-]?\d{1,40}")
_LONGEST_NUMBER = 4096


def each(x: Array, change: Callable[[bytes], bytes]) -> Array:
    """A string tensor of the shape of ``x`` with ``change`` of each element.

    >>> each(np.array([b"a"], object), bytes.upper).tolist()
    [b'A']
    """
    return strings((change(text) for text in texts_of(x)), x.shape)


def lower(x: Array, encoding: bytes = b"") -> Array:
    """Small letters: those of ASCII, or of Unicode where ``encoding`` is utf-8."""
    return each(x, bytes.lower if _is_ascii(encoding) else lambda text: _decoded(text).lower().encode())


def upper(x: Array, encoding: bytes = b"") -> Array:
    """Capitals: those of ASCII, or of Unicode where ``encoding`` is utf-8."""
    return each(x, bytes.upper if _is_ascii(encoding) else lambda text: _decoded(text).upper().encode())


def _is_ascii(encoding: bytes) -> bool:
    if encoding not in (b"", b"utf-8"):
        raise InvalidArgumentError(f"encoding must be '' or 'utf-8', got {encoding.decode('utf-8', 'replace')!r}")
    return not encoding


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def strip(x: Array) -> Array:
    """Without white space of ASCII at both ends."""
    return each(x, lambda text: text.strip(_SPACES))


def length(x: Array, unit: bytes = b"BYTE") -> Array:
    """int32 number of bytes, or of characters where ``unit`` is UTF8_CHAR.

    >>> length(np.array(["é".encode()], object), b"UTF8_CHAR").tolist()
    [1]
    """
    count: Callable[[bytes], int] = len if _is_byte(unit) else lambda text: len(_begins(text)) - 1
    return np.array([count(text) for text in texts_of(x)], np.int32).reshape(x.shape)


def _is_byte(unit: bytes) -> bool:
    if unit not in (b"BYTE", b"UTF8_CHAR"):
        raise InvalidArgumentError(f"unit must be BYTE or UTF8_CHAR, got {unit.decode('utf-8', 'replace')!r}")
    return unit == b"BYTE"


def _begins(text: bytes) -> list[int]:
    """Where characters begin, by bytes that do not continue one, and the end."""
    return [*(at for at, byte in enumerate(text) if byte & 0xC0 != 0x80), len(text)]


def join(parts: Sequence[Array], separator: bytes = b"") -> Array:
    """Element by element one string of all ``parts``, scalars for every element.

    >>> join([np.array([b"a", b"b"], object), np.array(b"c", object)], b"-").tolist()
    [b'a-c', b'b-c']
    """
    shapes = [part.shape for part in parts if part.ndim]
    shape = shapes[0] if shapes else ()
    if any(other != shape for other in shapes):
        raise InvalidArgumentError(f"Input shapes do not match: {[list(other) for other in shapes]}")
    columns = [texts_of(np.broadcast_to(part, shape)) for part in parts]
    return strings((separator.join(row) for row in zip(*columns, strict=True)), shape)


def substring(x: Array, position: Array, size: Array, unit: bytes = b"BYTE") -> Array:
    """``size`` bytes or characters from ``position`` on, which counts from the end where it is negative.

    Raises InvalidArgumentError for a position outside a string.

    >>> substring(np.array([b"hello"], object), np.array(-3), np.array(2)).tolist()
    [b'll']
    """
    if position.shape != size.shape:
        raise InvalidArgumentError(f"pos and len should have the same shape, got {position.shape} and {size.shape}")
    if position.dtype.kind != "i" or size.dtype.kind != "i":
        raise InvalidArgumentError(f"pos and len must be integers, got {position.dtype} and {size.dtype}")
    shape = broadcast_shapes(x.shape, position.shape)
    check_count(math.prod(shape), "strings")
    return strings(_parts(x, position, size, shape, _is_byte(unit)), shape)


def _parts(x: Array, position: Array, size: Array, shape: Sequence[int], by_byte: bool) -> Iterator[bytes]:
    begins: dict[bytes, list[int]] = {}
    whole = zip(
        texts_of(np.broadcast_to(x, shape)),
        np.broadcast_to(position, shape).reshape(-1).tolist(),
        np.broadcast_to(size, shape).reshape(-1).tolist(),
        strict=True,
    )
    for at, (text, begin, count) in enumerate(whole):
        if not by_byte and text not in begins:
            begins[text] = _begins(text)
        places: Sequence[int] = range(len(text) + 1) if by_byte else begins[text]
        most = len(places) - 1
        if not -most <= begin <= most:
            raise InvalidArgumentError(f"pos {begin} out of range for string b'{_decoded(text[:80])}' at index {at}")
        begin += most if begin < 0 else 0
        yield text[places[begin] : places[min(begin + max(count, 0), most)]]


def to_number(x: Array, dtype: DType) -> Array:
    """Numbers of decimal strings, with white space around them; hexadecimal, infinite and NaN ones as floats.

    Raises InvalidArgumentError for a string that is none, or a whole number that int32 cannot hold.

    >>> to_number(np.array([b" 2.5", b"-1e3"], object), "float32").tolist()
    [2.5, -1000.0]
    """
    if dtype not in ("float32", "int32"):
        raise InvalidArgumentError(f"out_type must be of floats or integers, got {dtype}")
    read = _float_of if dtype == "float32" else _integer_of
    numbers = []
    for text in texts_of(x):
        value = read(text.strip(_SPACES)) if len(text) <= _LONGEST_NUMBER else None
        if value is None:
            shown = _decoded(text[:80])
            raise InvalidArgumentError(f"StringToNumberOp could not correctly convert string: {shown}")
        numbers.append(value)
    with np.errstate(over="ignore"):
        return np.array(numbers, np.float64 if dtype == "float32" else np.int64).astype(dtype).reshape(x.shape)


def _float_of(text: bytes) -> float | None:
    if _DECIMAL.fullmatch(text):
        return float(text)
    special = _SPECIAL.fullmatch(text)
    if special:
        value = math.nan if special[2][:1] in b"nN" else math.inf
        return -value if special[1] == b"-" else value
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text.decode())
        except OverflowError:
            return -math.inf if text.startswith(b"-") else math.inf
    return None


def _integer_of(text: bytes) -> int | None:
    value = int(text) if _WHOLE.fullmatch(text) else None
    return None if value is None or not -(2**31) <= value < 2**31 else value


def as_string(
    x: Array,
    *,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: bytes = b"",
) -> Array:
    """Numbers and bools as C's printf writes them: ``precision`` digits, at least ``width`` wide.

    >>> as_string(np.array([1.5]), precision=2).tolist(), as_string(np.array([True])).tolist()
    ([b'1.50'], [b'true'])
    """
    if x.dtype.kind not in "bifc":
        raise InvalidArgumentError(f"AsString takes numbers and bools, got {x.dtype}")
    whole = x.dtype.kind in "bi"
    if scientific and shortest:
        raise InvalidArgumentError("scientific and shortest cannot both be asked for")
    if whole and (scientific or shortest or precision > -1):
        raise InvalidArgumentError(f"precision, scientific and shortest are for floats, the input is {x.dtype}")
    if fill not in (b"", b" ", b"+", b"-", b"0", b"#"):
        raise InvalidArgumentError(f"fill must be one of ' +-0#' or nothing, got {_decoded(fill)!r}")
    check_count(x.size * max(width, precision, 1), "characters")
    if x.dtype.kind == "b":
        return strings([b"true" if value else b"false" for value in x.reshape(-1).tolist()], x.shape)
    wide = str(width) if width > -1 else ""
    digits = f".{precision}" if precision > -1 else ""
    kind = "d" if whole else "e" if scientific else "g" if shortest else "f"
    flag = fill.decode()

    def written(value: float) -> str:
        # C pads what is not finite with spaces.
        return f"%{'' if flag == '0' and not math.isfinite(value) else flag}{wide}{digits}{kind}" % value

    values = x.reshape(-1).tolist()
    if x.dtype.kind == "c":
        return strings([f"({written(v.real)},{written(v.imag)})".encode() for v in values], x.shape)
    return strings([written(value).encode() for value in values], x.shape)


def split(x: Array, separator: bytes, most: int = -1) -> list[Array]:
    """[indices, tokens, shape] of a sparse matrix: a row for each string of the vector, split at ``separator``.

    Without a separator, at runs of white space. Above -1, ``most`` is how often a string is split.

    >>> [array.tolist() for array in split(np.array([b"a b  c"], object), b"", 1)][1]
    [b'a', b'b  c']
    """
    if x.ndim != 1:
        raise InvalidArgumentError(f"input must be a vector, got shape {list(x.shape)}")
    if not most:
        return sparse_rows([[text] for text in texts_of(x)])
    if separator:
        return sparse_rows([text.split(separator, most) for text in texts_of(x)])
    rows = [text.split(None, most) for text in texts_of(x)]
    # Whoever was split as often as allowed has a rest, if only an empty one.
    return sparse_rows([[*row, b""] if len(row) == most else row for row in rows])


def reduce_join(x: Array, axes: Sequence[int], keep_dims: bool = False, separator: bytes = b"") -> Array:
    """Strings joined along ``axes``, the first of which changes fastest.

    >>> reduce_join(np.array([[b"a", b"b"], [b"c", b"d"]], object), [0, 1]).item()
    b'acbd'
    """
    order = [normalize_axis(axis, x.ndim) for axis in axes]
    if len(set(order)) != len(order):
        raise InvalidArgumentError(f"axes {list(axes)} name one axis twice")
    kept = [axis for axis in range(x.ndim) if axis not in order]
    count = math.prod(x.shape[axis] for axis in order)
    shape = [x.shape[axis] if axis in kept else 1 for axis in range(x.ndim) if keep_dims or axis in kept]
    parts = texts_of(x.transpose([*kept, *reversed(order)])) if x.ndim else texts_of(x)
    rows = math.prod(x.shape[axis] for axis in kept)
    return strings((separator.join(parts[row * count : (row + 1) * count]) for row in range(rows)), shape)


def segment_join(x: Array, segment_ids: Array, count: int, separator: bytes = b"") -> Array:
    """The strings of each of ``count`` segments joined in their order.

    >>> segment_join(np.array([b"a", b"b", b"c"], object), np.array([1, 0, 1]), 2, b",").tolist()
    [b'b', b'a,c']
    """
    if x.shape[: segment_ids.ndim] != segment_ids.shape:
        raise InvalidArgumentError(f"segment_ids {list(segment_ids.shape)} must be a prefix of {list(x.shape)}")
    inner = x.shape[segment_ids.ndim :]
    size = math.prod(inner)
    check_count(count * max(size, 1), "strings")
    ids = segment_ids.reshape(-1).tolist()
    if segment_ids.dtype.kind != "i":
        raise InvalidArgumentError(f"segment_ids must be integers, got {segment_ids.dtype}")
    parts: dict[int, list[bytes]] = {}
    for at, text in enumerate(texts_of(x)):
        segment = ids[at // size]
        if not 0 <= segment < count:
            raise InvalidArgumentError(f"segment id {segment} is not in [0, {count})")
        parts.setdefault(segment * size + at % size, []).append(text)
    return strings((separator.join(parts.get(place, ())) for place in range(count * size)), (count, *inner))


def to_base64(x: Array, pad: bool = False) -> Array:
    r"""Base64 in the alphabet that URLs take; ``pad``: filled up with = to a multiple of four.

    >>> to_base64(np.array([b"\xff\xfe"], object)).tolist()
    [b'__4']
    """
    return each(x, lambda text: base64.urlsafe_b64encode(text) if pad else base64.urlsafe_b64encode(text).rstrip(b"="))


def from_base64(x: Array) -> Array:
    r"""The bytes behind `to_base64`; InvalidArgumentError for what is none.

    >>> from_base64(np.array([b"__4"], object)).tolist()
    [b'\xff\xfe']
    """
    return each(x, _from_base64)


def _from_base64(text: bytes) -> bytes:
    digits = text.rstrip(b"=")
    if len(digits) % 4 == 1 or len(text) - len(digits) > 2 or not _BASE64.fullmatch(digits):
        raise InvalidArgumentError(f"Invalid character found in base64: {_decoded(text[:80])!r}")
    return base64.urlsafe_b64decode(digits + b"=" * (-len(digits) % 4))


_RAW = {"half": "f2", "float16": "f2", "float32": "f4", "float64": "f8", "int8": "i1", "uint8": "u1", "int16": "i2",
        "uint16": "u2", "int32": "i4", "int64": "i8", "bool": "?"}  # fmt: skip


def from_raw(x: Array, kind: str, little_endian: bool = True) -> Array:
    """The numbers of dtype ``kind`` that each string holds, along a new last axis; all strings have one length.

    >>> from_raw(np.array([b"\\1\\0\\2\\0"], object), "int16").tolist()
    [[1, 2]]
    """
    if kind not in _RAW:
        raise InvalidArgumentError(f"out_type must be one of {', '.join(_RAW)}, got {kind}")
    data = texts_of(x)
    dtype = np.dtype(_RAW[kind]).newbyteorder("<" if little_endian else ">")
    lengths = {len(text) for text in data}
    if len(lengths) > 1:
        raise InvalidArgumentError(f"DecodeRaw takes strings of one length, got {sorted(lengths)[:3]} and more")
    count, rest = divmod(max(lengths, default=0), dtype.itemsize)
    if rest:
        raise InvalidArgumentError(f"strings of {max(lengths)} bytes are no whole numbers of {dtype.itemsize} bytes")
    values = np.frombuffer(b"".join(data), dtype).reshape(*x.shape, count)
    if kind == "int64" and values.size and not -(2**31) <= values.min() <= values.max() < 2**31:
        raise InvalidArgumentError("the strings hold numbers beyond int32, which is all that tensors have here")
    return values.astype(np.bool_ if kind == "bool" else np.float32 if kind.startswith(("f", "h")) else np.int32)
