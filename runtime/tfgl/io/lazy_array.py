"""An array whose values stay in their file until somebody needs them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class LazyArray:
    """Shape and dtype of an array at once, its values by ``read()`` or ``np.asarray``; nothing is kept.

    It may stand where a graph holds a constant: code that needs values calls ``np.asarray`` on it.

    >>> lazy = LazyArray((2,), np.dtype(np.float32), lambda: np.ones(2, np.float32), "ones")
    >>> lazy.shape, lazy.nbytes, np.asarray(lazy).tolist()
    ((2,), 8, [1.0, 1.0])
    """

    __slots__ = ("_read", "dtype", "origin", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], read: Callable[[], Array], origin: str) -> None:
        """``read`` gives the values, of just this shape and dtype; ``origin`` says in messages where they are."""
        self.shape = shape
        self.dtype = dtype
        self.origin = origin
        self._read = read

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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = self._read()
        return values if dtype is None else values.astype(dtype, copy=False)
