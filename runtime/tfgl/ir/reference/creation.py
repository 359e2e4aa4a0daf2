"""Tensors from numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dtypes import check_dtype
from ...errors import InvalidArgumentError
from ..shapes import range_length
from .conversion import cast_to
from .registry import Array, reference


@reference("Fill")
def fill(*, shape: Sequence[int], value: float | complex | bool | str | bytes, dtype: str | None = None) -> Array:
    """``value`` everywhere; its own dtype (numbers: float) unless ``dtype`` says another."""
    if any(n < 0 for n in shape):
        raise InvalidArgumentError(f"Fill: shape must not be negative, got {list(shape)}")
    if isinstance(value, (str, bytes)):
        return np.full(tuple(shape), value.encode() if isinstance(value, str) else value, object)
    if dtype is None:
        dtype = "bool" if isinstance(value, bool) else "complex64" if isinstance(value, complex) else "float32"
    return np.full(tuple(shape), cast_to(np.asarray(value), check_dtype(dtype)))


@reference("Range")
def range_(*, start: float, stop: float, step: float = 1, dtype: str = "float32") -> Array:
    """start, start + step, ... before ``stop``."""
    count, step = range_length(start, stop, step)
    return cast_to(np.asarray(start + np.arange(count) * step), check_dtype(dtype))


@reference("LinSpace")
def lin_space(*, start: float, stop: float, num: int) -> Array:
    """``num`` floats from ``start`` to ``stop``, both included."""
    if num <= 0:
        raise InvalidArgumentError("The number of values should be positive.")
    return np.linspace(start, stop, int(num))


@reference("OnesLike")
def ones_like(x: Array) -> Array:
    """Ones of the same shape and dtype."""
    if x.dtype == object:
        raise InvalidArgumentError("onesLike is not supported for string tensors")
    return np.ones_like(x)


@reference("ZerosLike")
def zeros_like(x: Array) -> Array:
    """Zeros of the same shape and dtype; empty strings for strings."""
    return np.full(x.shape, b"", object) if x.dtype == object else np.zeros_like(x)
