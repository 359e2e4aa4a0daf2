"""Gathers, scatters, one-hot, counts and segments."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...dtypes import check_dtype
from ...errors import InvalidArgumentError
from ..cost import check_count
from ..shapes import (
    gather,
    gather_nd_shape,
    one_hot_shape,
    scatter_nd_dims,
    segment_shape,
    shape_text,
    sparse_to_dense_count,
    strides_of,
)
from .conversion import cast_to, numbers
from .registry import Array, reference


@reference("GatherV2")
def gather_v2(x: Array, indices: Array, *, axis: int = 0, batch_dims: int = 0) -> Array:
    """Elements of ``x`` along ``axis`` at ``indices``; the first ``batch_dims`` axes are shared."""
    plan = gather(x.shape, indices.shape, axis, batch_dims)
    flat = cast_to(indices, "int32").reshape(plan.batch, plan.count)
    wrong = flat[(flat < 0) | (flat >= plan.extent)]
    if wrong.size:
        raise InvalidArgumentError(f"GatherV2: the index value {wrong[0]} is not in [0, {plan.extent - 1}]")
    blocks = x.reshape(plan.batch, plan.outer, plan.extent, plan.inner)
    picked = blocks[np.arange(plan.batch)[:, None], :, flat]
    return picked.swapaxes(1, 2).reshape(plan.shape)


def _rows(indices: Array, extents: Sequence[int]) -> Array:
    """Flat row numbers of ``indices`` (count, depth) into axes of ``extents``."""
    if not extents:
        # An empty index names the whole tensor; a reduction over no extents would wrap nothing.
        return np.zeros(len(indices), np.int64)
    wrong = np.flatnonzero(((indices < 0) | (indices >= np.array(extents))).any(axis=1))
    if wrong.size:
        raise InvalidArgumentError(
            f"Invalid indices: {shape_text(indices[wrong[0]].tolist())} does not index into {shape_text(extents)}"
        )
    return np.asarray(indices.astype(np.int64) @ np.array(strides_of(extents)))


@reference("GatherNd")
def gather_nd(params: Array, indices: Array) -> Array:
    """Slices of ``params`` at the index tuples along the last axis of ``indices``."""
    shape = gather_nd_shape(params.shape, indices.shape)
    depth = indices.shape[-1]
    flat = cast_to(indices, "int32").reshape(math.prod(indices.shape[:-1]), depth)
    rows = _rows(flat, params.shape[:depth])
    return params.reshape(math.prod(params.shape[:depth]), math.prod(params.shape[depth:]))[rows].reshape(shape)


def _scatter_rows(indices: Array, updates: Array, shape: Sequence[int]) -> tuple[Array, Array]:
    depth, count, inner = scatter_nd_dims(indices.shape, updates.shape, shape)
    rows = _rows(cast_to(indices, "int32").reshape(count, depth), shape[:depth])
    return rows, updates.reshape(count, inner)


@reference("ScatterNd")
def scatter_nd(indices: Array, updates: Array, *, shape: Sequence[int]) -> Array:
    """Zeros of ``shape`` with ``updates`` added at ``indices``; duplicates add up."""
    rows, values = _scatter_rows(indices, updates, shape)
    values = numbers(values)[0]
    depth = indices.shape[-1] if indices.ndim > 1 else 1
    out = np.zeros((math.prod(shape[:depth]), values.shape[1]), values.dtype)
    np.add.at(out, rows, values)
    return out.reshape(tuple(shape))


@reference("TensorScatterUpdate")
def tensor_scatter_update(tensor: Array, indices: Array, updates: Array) -> Array:
    """``tensor`` with ``updates`` put at ``indices``; of duplicates the last stays."""
    rows, values = _scatter_rows(indices, updates, tensor.shape)
    depth = indices.shape[-1] if indices.ndim > 1 else 1
    out = tensor.reshape(math.prod(tensor.shape[:depth]), values.shape[1]).copy()
    for row, value in zip(rows.tolist(), values, strict=True):
        out[row] = value
    return out.reshape(tensor.shape)


@reference("SparseToDense")
def sparse_to_dense(
    sparse_indices: Array, sparse_values: Array, default_value: Array, *, output_shape: Sequence[int]
) -> Array:
    """``default_value`` everywhere but at ``sparse_indices``; one value may serve all."""
    count = sparse_to_dense_count(sparse_indices.shape, sparse_values.shape, default_value.shape, output_shape)
    indices = sparse_indices.reshape(count, len(output_shape))
    values = np.broadcast_to(sparse_values, (count,))
    out = np.full(tuple(output_shape), default_value.reshape(()).item(), sparse_values.dtype)
    rows = _rows(cast_to(indices, "int32"), output_shape)
    flat = out.reshape(-1)
    for row, value in zip(rows.tolist(), values, strict=True):
        flat[row] = value
    return flat.reshape(tuple(output_shape))


@reference("OneHot")
def one_hot(indices: Array, *, depth: int, on_value: float = 1, off_value: float = 0, dtype: str = "int32") -> Array:
    """``on_value`` at each index along a new last axis; an index out of range gives a row of ``off_value``."""
    one_hot_shape(indices.shape, depth)
    kind = check_dtype(dtype)
    hot = cast_to(indices, "int32")[..., None] == np.arange(depth)
    return cast_to(np.where(hot, float(on_value), float(off_value)), kind)


@reference("UnsortedSegmentSum")
def unsorted_segment_sum(x: Array, segment_ids: Array, *, num_segments: int) -> Array:
    """Sums of the slices of ``x`` with the same id; a negative id counts nowhere."""
    inner = segment_shape(x.shape, segment_ids.shape, num_segments)
    x = numbers(x)[0]
    ids = cast_to(segment_ids, "int32").reshape(-1)
    kept = (ids >= 0) & (ids < num_segments)
    check_count(num_segments * math.prod(inner), "elements of segments")
    out = np.zeros((num_segments, *inner), x.dtype)
    np.add.at(out, ids[kept], x.reshape(len(ids), *inner)[kept])
    return out


def _counted(x: Array, weights: Array, size: int, binary: bool) -> Array:
    kept = (x >= 0) & (x < size)
    if binary:
        out = np.zeros(size, weights.dtype)
        out[x[kept]] = 1
        return out
    values = weights.reshape(-1)[kept] if weights.size else np.ones(int(kept.sum()), weights.dtype)
    out = np.zeros(size, values.dtype)
    np.add.at(out, x[kept], values)
    return out


@reference("Bincount")
def bincount(x: Array, weights: Array, *, size: int) -> Array:
    """How often (or with what total weight) each of 0 to ``size`` - 1 occurs in the vector ``x``."""
    return _counted(_natural(x).reshape(-1), weights, size, False)


@reference("DenseBincount")
def dense_bincount(x: Array, weights: Array, *, size: int, binary_output: bool = False) -> Array:
    """Bincount of a vector, or of each row of a matrix; ``binary_output`` only tells whether."""
    x = _natural(x)
    if x.ndim == 1:
        return _counted(x, weights, size, binary_output)
    if x.ndim != 2:
        raise InvalidArgumentError(f"Error in denseBincount: input must be at most rank 2, but got rank {x.ndim}.")
    given = weights if weights.size else [weights] * len(x)
    rows = [_counted(row, weight, size, binary_output) for row, weight in zip(x, given, strict=True)]
    return np.stack(rows) if rows else np.zeros((0, size), weights.dtype)


def _natural(x: Array) -> Array:
    if (x < 0).any():
        raise InvalidArgumentError("Input x must be non-negative!")
    return cast_to(x, "int32")


@reference("Diag")
def diag(x: Array) -> Array:
    """A tensor of twice the rank with ``x`` on its diagonal."""
    return np.diag(x.reshape(-1)).reshape(*x.shape, *x.shape)
