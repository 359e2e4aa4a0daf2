"""Distinct elements, and what one set has that another has not."""

from __future__ import annotations

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import normalize_axis
from .registry import Array, reference


def _first_equal(rows: Array) -> Array:
    """For each of the (count, size) ``rows`` the number of the first that equals it."""
    if not rows.shape[1]:
        return np.zeros(len(rows), np.intp)
    # Numbers that stand for the elements: alike for both zeros of floats and for all NaN.
    codes = np.unique(rows, return_inverse=True)[1].reshape(rows.shape)
    first, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)[1:]
    return np.asarray(first[inverse.reshape(-1)])


@reference("Unique")
def unique(x: Array, *, axis: int = 0) -> list[Array]:
    """[values, indices]: the distinct slices of ``x`` along ``axis`` by first occurrence, and where each slice is.

    ``indices`` is int32 with one element for each slice of ``x``. Slices are equal when all their elements
    are; NaN equals NaN, as in TensorFlow.js, and not as in TensorFlow.

    >>> [array.tolist() for array in unique(np.array([7, 3, 7, 1]))]
    [[7, 3, 1], [0, 1, 0, 2]]
    """
    if not x.ndim:
        raise InvalidArgumentError("unique() takes a tensor of rank 1 or higher, got a scalar")
    axis = normalize_axis(axis, x.ndim)
    moved = np.moveaxis(x, axis, 0)
    first = _first_equal(moved.reshape(len(moved), -1) if x.size else np.zeros((len(moved), 0)))
    kept, indices = np.unique(first, return_inverse=True)
    return [np.take(x, kept, axis), indices.reshape(-1).astype(np.int32)]


def list_difference(x: Array, y: Array) -> list[Array]:
    """[values, indices] of the elements of the vector ``x`` that ``y`` lacks, in their order; indices int32.

    >>> [array.tolist() for array in list_difference(np.array([5, 1, 2, 5]), np.array([1]))]
    [[5, 2, 5], [0, 2, 3]]
    """
    if x.ndim != 1 or y.ndim != 1:
        raise InvalidArgumentError(f"ListDiff takes two vectors, got shapes {list(x.shape)} and {list(y.shape)}")
    if x.dtype.kind != y.dtype.kind:
        raise InvalidArgumentError(f"ListDiff takes two vectors of one dtype, got {x.dtype} and {y.dtype}")
    if x.dtype == object:
        left_out = set(y.tolist())
        indices = np.array([at for at, value in enumerate(x.tolist()) if value not in left_out], np.int32)
    else:
        indices = np.flatnonzero(~np.isin(x, y)).astype(np.int32)
    return [x[indices], indices]
