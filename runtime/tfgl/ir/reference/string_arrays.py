"""String tensors: object arrays of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ...errors import InvalidArgumentError
from .registry import Array

# A few bytes of pattern and lengths may ask for more than any machine has.
_MOST_BYTES = 1 << 28


def text_of(value: object) -> bytes:
    """The bytes of one element of a string tensor; an element that was never set is empty.

    >>> text_of("é"), text_of(None)
    (b'\\xc3\\xa9', b'')
    """
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else b""


def texts_of(x: Array) -> list[bytes]:
    """The elements of a string tensor in row-major order; InvalidArgumentError for another dtype.

    >>> texts_of(np.array([b"a", None], object))
    [b'a', b'']
    """
    if x.dtype.kind not in "OSU":
        raise InvalidArgumentError(f"Input must be of datatype string, got {x.dtype}")
    return [text_of(value) for value in x.reshape(-1).tolist()]


def strings(values: Iterable[bytes], shape: Sequence[int] | None = None) -> Array:
    """A string tensor of ``shape``, a vector without it; InvalidArgumentError where it would be longer than 256 MiB.

    >>> strings([b"a", b"b"], (2, 1)).shape
    (2, 1)
    """
    kept: list[bytes] = []
    size = 0
    for value in values:
        size += len(value)
        check_bytes(size)
        kept.append(value)
    array = np.empty(len(kept), object)
    array[:] = kept
    return array if shape is None else array.reshape(tuple(shape))


def check_bytes(size: int) -> None:
    """Raise InvalidArgumentError for strings that are longer than 256 MiB together.

    >>> check_bytes(1 << 30)
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: the strings are longer than 268435456 bytes together
    """
    if size > _MOST_BYTES:
        raise InvalidArgumentError(f"the strings are longer than {_MOST_BYTES} bytes together")


def sparse_rows(rows: Sequence[Sequence[bytes]]) -> list[Array]:
    """[indices, values, shape] of the sparse matrix with these rows of strings.

    >>> [array.tolist() for array in sparse_rows([[b"a"], []])]
    [[[0, 0]], [b'a'], [2, 1]]
    """
    places = [(row, column) for row, tokens in enumerate(rows) for column in range(len(tokens))]
    indices = np.array(places, np.int32).reshape(len(places), 2)
    shape = np.array([len(rows), max(map(len, rows), default=0)], np.int32)
    return [indices, strings([token for tokens in rows for token in tokens]), shape]
