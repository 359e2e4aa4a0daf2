"""An array whose values stay in their file until somebody needs them, whole or a block at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# What a pass over large values holds in memory at once.
BLOCK_BYTES = 16 << 20


class LazyArray:
    """Shape and dtype of an array at once, its values by ``read()`` or ``np.asarray``; nothing is kept.

    It may stand where a graph holds a constant: code that needs values calls ``np.asarray`` on it, and code that
    can do with a part of them at a time goes through ``blocks()``.

    >>> lazy = LazyArray((2,), np.dtype(np.float32), lambda: np.ones(2, np.float32), "ones")
    >>> lazy.shape, lazy.nbytes, np.asarray(lazy).tolist()
    ((2,), 8, [1.0, 1.0])
    """

    __slots__ = ("_read", "_read_blocks", "dtype", "origin", "shape")

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        read: Callable[[], Array],
        origin: str,
        read_blocks: Callable[[int], Iterator[Array]] | None = None,
    ) -> None:
        """``read`` gives the values, of just this shape and dtype; ``origin`` says in messages where they are.

        ``read_blocks(rows)`` gives them in order as arrays of at most ``rows`` indices of the block axis (see
        block_axis), for sources that can be read in parts.
        """
        self.shape = shape
        self.dtype = dtype
        self.origin = origin
        self._read = read
        self._read_blocks = read_blocks

    def __repr__(self) -> str:
        return f"LazyArray({self.origin}, {self.dtype}, {list(self.shape)})"

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """What the values will take in memory; for strings only their references."""
        return self.size * self.dtype.itemsize

    def read(self) -> Array:
        """The values, read anew each time. Raises ModelFormatError when the file is damaged."""
        return self._read()

    def blocks(self, most_bytes: int = BLOCK_BYTES) -> Iterator[Array]:
        """The values in row-major order, as arrays of this rank cut along the block axis.

        A block has about ``most_bytes`` bytes where the source can be read in parts. Raises as ``read`` does, for a
        wrong checksum after the last block.
        """
        if self._read_blocks is None or self.nbytes <= most_bytes:
            yield self._read()
        else:
            yield from self._read_blocks(rows_of(self.shape, self.dtype.itemsize, most_bytes))

    def mapped(self, function: Callable[[Array], Array], dtype: np.dtype[Any]) -> LazyArray:
        """The array that ``function``, which looks at each element for itself, makes of this one, of ``dtype``.

        >>> lazy = LazyArray((2,), np.dtype(np.float64), lambda: np.ones(2), "ones")
        >>> lazy.mapped(lambda block: block.astype(np.float32), np.dtype(np.float32)).read().dtype
        dtype('float32')
        """
        read_blocks = self._read_blocks
        in_blocks = None if read_blocks is None else (lambda rows: map(function, read_blocks(rows)))
        return LazyArray(self.shape, dtype, lambda: function(self._read()), self.origin, in_blocks)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = self._read()
        return values if dtype is None else values.astype(dtype, copy=False)


def block_axis(shape: tuple[int, ...]) -> int:
    """The axis along which blocks of a shape are cut: the first one longer than one, so that blocks are contiguous.

    >>> block_axis((1, 1, 64, 32))
    2
    """
    return next((axis for axis, length in enumerate(shape) if length > 1), 0)


def rows_of(shape: tuple[int, ...], itemsize: int, most_bytes: int = BLOCK_BYTES) -> int:
    """How many indices of the block axis make a block of at most ``most_bytes`` bytes; at least one.

    >>> rows_of((1000, 256), 4, 1 << 20)
    1024
    """
    row_bytes = math.prod(shape[block_axis(shape) + 1 :]) * itemsize
    return max(1, most_bytes // max(1, row_bytes))


def blocks_of(value: Array | LazyArray, most_bytes: int = BLOCK_BYTES) -> Iterator[Array]:
    """The values of any array in order, as ``LazyArray.blocks`` gives them; views of an array in memory.

    >>> [block.tolist() for block in blocks_of(np.arange(3, dtype=np.int32), 8)]
    [[0, 1], [2]]
    """
    if isinstance(value, LazyArray):
        yield from value.blocks(most_bytes)
    elif value.nbytes <= most_bytes:
        yield value
    else:
        axis = block_axis(value.shape)
        rows = rows_of(value.shape, value.dtype.itemsize, most_bytes)
        before = (slice(None),) * axis
        for start in range(0, value.shape[axis], rows):
            yield value[(*before, slice(start, start + rows))]


def scaled(value: Array | LazyArray, factor: Array) -> Array | LazyArray:
    """``value`` times ``factor``, which broadcasts against it: computed in float64, rounded once to float32.

    Large values that lie in a file stay there, and are multiplied when they are read.

    >>> scaled(np.array([[1.0, 2.0]], np.float32), np.array([2.0, 0.5])).tolist()
    [[2.0, 1.0]]
    """
    if not isinstance(value, LazyArray):
        return _times(value, factor)
    axis = block_axis(value.shape)
    wide = factor.reshape((1,) * (value.ndim - factor.ndim) + factor.shape)
    before = (slice(None),) * axis

    def read_blocks(rows: int) -> Iterator[Array]:
        at = 0
        for block in value.blocks(rows * max(1, value.nbytes // value.shape[axis])):
            until = at + block.shape[axis]
            yield _times(block, wide if wide.shape[axis] == 1 else wide[(*before, slice(at, until))])
            at = until

    return LazyArray(
        value.shape, np.dtype(np.float32), lambda: _times(value.read(), factor), value.origin,
        read_blocks if value.size else None,
    )  # fmt: skip


def _times(values: Array, factor: Array) -> Array:
    with np.errstate(all="ignore"):
        product: Array = (values.astype(np.float64) * factor).astype(np.float32)
    return product
