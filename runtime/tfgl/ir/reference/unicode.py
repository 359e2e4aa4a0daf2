"""Strings of bytes to code points and back, as TensorFlow's Unicode ops have it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InvalidArgumentError
from .registry import Array
from .string_arrays import strings, texts_of

# Python's names of the encodings that TensorFlow writes, too.
_ENCODINGS = {"UTF-8": "utf-8", "UTF-16-BE": "utf-16-be", "UTF-32-BE": "utf-32-be"}
_KNOWN = re.compile(r"utf-?(8|16|32)(-?[bl]e)?|us-ascii|latin-?1|iso-8859-\d+|shift_jis|gb18030|big5", re.IGNORECASE)


_WINDOW = 4096


@dataclass(frozen=True)
class Faults:
    """What becomes of what is no character: ``errors`` is replace, ignore or strict.

    >>> Faults("ignore").errors
    'ignore'
    """

    errors: str = "replace"
    replacement: int = 0xFFFD
    control_characters: bool = False

    def __post_init__(self) -> None:
        """Refuse what no character is replaced by."""
        if self.errors not in ("replace", "ignore", "strict"):
            raise InvalidArgumentError(f"errors must be replace, ignore or strict, got {self.errors!r}")
        if not _is_code_point(self.replacement):
            raise InvalidArgumentError(f"replacement_char {self.replacement} is no code point of Unicode")


def _is_code_point(value: int) -> bool:
    return 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF


def decoded(text: bytes, encoding: str, faults: Faults) -> tuple[list[int], list[int]]:
    """Code points of ``text``, and the byte at which each begins.

    >>> decoded("é!".encode(), "UTF-8", Faults())
    ([233, 33], [0, 2])
    """
    name = _ENCODINGS.get(encoding, encoding)
    if not _KNOWN.fullmatch(name):
        raise InvalidArgumentError(f"encoding {encoding!r} is not known here; UTF-8, UTF-16-BE and UTF-32-BE are")
    points: list[int] = []
    begins: list[int] = []
    at = 0
    while at < len(text):
        # By windows, so that many faults do not take the square of the text's length.
        window = text[at : at + _WINDOW]
        wrong = None
        try:
            part = window.decode(name)
        except UnicodeDecodeError as error:
            part, wrong = window[: error.start].decode(name), error
        for character in part:
            points.append(ord(character))
            begins.append(at)
            at += len(character.encode(name))
        if wrong is None or (part and wrong.end == len(window)):
            # What ends the window may go on behind it.
            continue
        if faults.errors == "strict":
            raise InvalidArgumentError(f"invalid {encoding} at byte {at} of a string of {len(text)}")
        if faults.errors == "replace":
            points.append(faults.replacement)
            begins.append(at)
        at += max(wrong.end - wrong.start, 1)
    if faults.control_characters:
        points = [faults.replacement if point < 32 else point for point in points]
    return points, begins


def decode(x: Array, encoding: str, faults: Faults) -> list[Array]:
    """[row splits, code points, first bytes], int32: a ragged row for each string.

    >>> [array.tolist() for array in decode(np.array([b"ab", b""], object), "UTF-8", Faults())]
    [[0, 2, 2], [97, 98], [0, 1]]
    """
    rows = [decoded(text, encoding, faults) for text in texts_of(x)]
    splits = np.cumsum([0, *(len(points) for points, _ in rows)])
    columns = [[value for row in rows for value in row[which]] for which in (0, 1)]
    return [array.astype(np.int32) for array in (splits, *(np.array(column, np.int64) for column in columns))]


def encode(values: Array, splits: Array, encoding: str, faults: Faults) -> Array:
    """A string of each ragged row of code points.

    >>> encode(np.array([233, 33]), np.array([0, 2]), "UTF-8", Faults()).tolist()
    [b'\\xc3\\xa9!']
    """
    if values.ndim != 1 or splits.ndim != 1:
        raise InvalidArgumentError("input_values and input_splits must be vectors")
    bounds = [int(at) for at in splits]
    if not bounds or bounds[0] != 0 or bounds[-1] != values.size or (np.diff(splits) < 0).any():
        raise InvalidArgumentError(f"input_splits must rise from 0 to {values.size}, got {bounds[:8]}")
    points = [int(value) for value in values]
    return strings(_encoded(points[begin:end], encoding, faults) for begin, end in itertools.pairwise(bounds))


def _encoded(points: Sequence[int], encoding: str, faults: Faults) -> bytes:
    name = _ENCODINGS.get(encoding)
    if name is None:
        raise InvalidArgumentError(f"output_encoding must be one of {', '.join(_ENCODINGS)}, got {encoding!r}")
    kept = []
    for point in points:
        if _is_code_point(point):
            kept.append(chr(point))
        elif faults.errors == "strict":
            raise InvalidArgumentError(f"{point} is no code point of Unicode")
        elif faults.errors == "replace":
            kept.append(chr(faults.replacement))
    return "".join(kept).encode(name)


def transcode(x: Array, source: str, target: str, faults: Faults) -> Array:
    """The strings of ``x`` in another encoding.

    >>> transcode(np.array([b"a"], object), "UTF-8", "UTF-16-BE", Faults()).tolist()
    [b'\\x00a']
    """
    return strings((_encoded(decoded(text, source, faults)[0], target, faults) for text in texts_of(x)), x.shape)
