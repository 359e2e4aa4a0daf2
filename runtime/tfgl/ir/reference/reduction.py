"""Reductions, running sums and products, arg-reductions and top-k."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import normalize_axes, normalize_axis, top_k_shape
from .conversion import cast_to, floating, numbers
from .pooling import lowest
from .registry import Array, reference

Axes = int | Sequence[int] | None


@reference("Sum")
def sum_(x: Array, *, axis: Axes = None, keep_dims: bool = False) -> Array:
    """The sum over ``axis``; int32 wraps, bool counts as int32."""
    x = numbers(x)[0]
    return np.asarray(np.sum(x, axis=normalize_axes(axis, x.ndim), dtype=x.dtype, keepdims=keep_dims))


@reference("Prod")
def prod(x: Array, *, axis: Axes = None, keep_dims: bool = False) -> Array:
    """The product over ``axis``; int32 wraps, bool counts as int32."""
    x = numbers(x)[0]
    return np.asarray(np.prod(x, axis=normalize_axes(axis, x.ndim), dtype=x.dtype, keepdims=keep_dims))


@reference("Mean")
def mean(x: Array, *, axis: Axes = None, keep_dims: bool = False) -> Array:
    """The mean over ``axis``, always float; NaN of nothing."""
    x = floating(x)
    axes = normalize_axes(axis, x.ndim)
    count = np.prod([x.shape[k] for k in axes], dtype=np.float64)
    return np.asarray(np.sum(x, axis=axes, keepdims=keep_dims) / count)


@reference("Max")
def max_(x: Array, *, reduction_indices: Axes = None, keep_dims: bool = False) -> Array:
    """The largest over the axes, of the same dtype; NaN wins; the lowest value of nothing."""
    axes = normalize_axes(reduction_indices, x.ndim)
    return np.asarray(np.max(x, axis=axes, keepdims=keep_dims, initial=lowest(x.dtype)))


@reference("Min")
def min_(x: Array, *, axis: Axes = None, keep_dims: bool = False) -> Array:
    """The smallest over the axes, of the same dtype; NaN wins; the highest value of nothing."""
    kind = x.dtype.kind
    highest = np.inf if kind == "f" else np.iinfo(x.dtype).max if kind == "i" else True
    return np.asarray(np.min(x, axis=normalize_axes(axis, x.ndim), keepdims=keep_dims, initial=highest))


@reference("All")
def all_(x: Array, *, axis: Axes = None, keep_dims: bool = False) -> Array:
    """Whether all elements over ``axis`` hold."""
    return np.asarray(np.all(cast_to(x, "bool"), axis=normalize_axes(axis, x.ndim), keepdims=keep_dims))


@reference("Any")
def any_(x: Array, *, axis: Axes = None, keep_dims: bool = False) -> Array:
    """Whether any element over ``axis`` holds."""
    return np.asarray(np.any(cast_to(x, "bool"), axis=normalize_axes(axis, x.ndim), keepdims=keep_dims))


def _arg(x: Array, axis: int | Sequence[int] | None, pick: Callable[..., Any], worst: float) -> Array:
    where = normalize_axes(0 if axis is None else axis, x.ndim)
    if not where:
        return np.zeros((), np.int32)
    if not x.shape[where[0]]:
        raise InvalidArgumentError(f"Reduction axis {where[0]} is empty in shape {list(x.shape)}")
    if x.dtype.kind == "f":
        x = np.where(np.isnan(x), worst, x)
    return np.asarray(pick(x, axis=where[0]), np.int32)


@reference("ArgMax")
def arg_max(x: Array, *, axis: int | Sequence[int] | None = 0) -> Array:
    """int32 index of the first largest element along ``axis``; NaN is passed over."""
    return _arg(x, axis, np.argmax, -np.inf)


@reference("ArgMin")
def arg_min(x: Array, *, axis: int | Sequence[int] | None = 0) -> Array:
    """int32 index of the first smallest element along ``axis``; NaN is passed over."""
    return _arg(x, axis, np.argmin, np.inf)


def _running(x: Array, axis: int, exclusive: bool, reverse: bool, accumulate: Callable[..., Any], first: int) -> Array:
    x = numbers(x)[0]
    if not x.ndim:
        return np.full_like(x, first) if exclusive else x
    axis = normalize_axis(axis, x.ndim)
    if reverse:
        x = np.flip(x, axis)
    out: Array = np.asarray(accumulate(x, axis=axis, dtype=x.dtype))
    if exclusive:
        ones = np.full_like(np.take(x, [0], axis), first) if x.shape[axis] else x
        out = np.concatenate([ones, np.delete(out, -1, axis)], axis) if x.shape[axis] else out
    return np.flip(out, axis) if reverse else out


@reference("Cumsum")
def cumsum(x: Array, *, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Array:
    """Running sums along ``axis``; int32 wraps."""
    return _running(x, axis, exclusive, reverse, np.cumsum, 0)


@reference("Cumprod")
def cumprod(x: Array, *, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Array:
    """Running products along ``axis``; int32 wraps."""
    return _running(x, axis, exclusive, reverse, np.cumprod, 1)


@reference("TopK")
def top_k(x: Array, *, k: int = 1, sorted: bool = True) -> list[Array]:
    """[the ``k`` largest of each row, falling; their int32 indices], equal ones by index."""
    shape = top_k_shape(x.shape, k)
    # Of equal elements the reversed row's stable sort puts the first of the row last.
    order = (x.shape[-1] - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable"))[..., ::-1][..., : shape[-1]]
    return [np.take_along_axis(x, order, axis=-1), order.astype(np.int32)]


@reference("SearchSorted", "LowerBound")
def search_sorted(sorted_sequence: Array, values: Array, *, side: str = "left") -> Array:
    """For each row, the int32 places where ``values`` go into the sorted row."""
    if sorted_sequence.shape[:-1] != values.shape[:-1] or not values.ndim:
        raise InvalidArgumentError(
            f"Leading dims of both tensors must match: got {list(sorted_sequence.shape)} and {list(values.shape)}"
        )
    if side not in ("left", "right"):
        raise InvalidArgumentError(f"side must be left or right, got {side}")
    count = math.prod(values.shape[:-1])
    rows = sorted_sequence.reshape(count, sorted_sequence.shape[-1])
    wanted = values.reshape(count, values.shape[-1])
    out = [
        np.searchsorted(row, value, side="left" if side == "left" else "right")
        for row, value in zip(rows, wanted, strict=True)
    ]
    return np.array(out, np.int32).reshape(values.shape)


@reference("UpperBound")
def upper_bound(sorted_sequence: Array, values: Array) -> Array:
    """SearchSorted on the right side."""
    return search_sorted(sorted_sequence, values, side="right")
