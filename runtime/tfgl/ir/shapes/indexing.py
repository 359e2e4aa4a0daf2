"""Gather, scatter, one-hot and top-k."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InvalidArgumentError
from .axes import Shape, normalize_axis, shape_text


@dataclass(frozen=True, slots=True)
class Gather:
    """GatherV2: x as [batch, outer, extent, inner], indices [batch, count], result [batch, outer, count, inner]."""

    shape: Shape
    batch: int
    outer: int
    extent: int
    count: int
    inner: int


def gather(x: Sequence[int], indices: Sequence[int], axis: int = 0, batch_dims: int = 0) -> Gather:
    """How GatherV2 reads ``x`` along ``axis``, the first ``batch_dims`` axes shared.

    >>> gather((2, 5, 3), (2, 4), axis=1, batch_dims=1).shape
    (2, 4, 3)
    """
    rank = len(indices)
    axis = normalize_axis(axis, len(x))
    batch = int(batch_dims)
    if not -rank <= batch <= rank:
        raise InvalidArgumentError(f"Expect batchDims in the range of [-{rank}, {rank}], but got {batch}")
    if batch < 0:
        batch += rank
    if batch > len(x):
        raise InvalidArgumentError(f"batchDims ({batch}) must be less than rank(x) ({len(x)}).")
    if axis < batch:
        raise InvalidArgumentError(f"batchDims ({batch}) must be less than or equal to axis ({axis}).")
    for k in range(batch):
        if x[k] != indices[k]:
            raise InvalidArgumentError(f"x.shape[{k}]: {x[k]} should be equal to indices.shape[{k}]: {indices[k]}.")
    return Gather(
        (*x[:axis], *indices[batch:], *x[axis + 1 :]),
        math.prod(x[:batch]),
        math.prod(x[batch:axis]),
        x[axis],
        math.prod(indices[batch:]),
        math.prod(x[axis + 1 :]),
    )


def gather_nd_shape(params: Sequence[int], indices: Sequence[int]) -> Shape:
    """The shape of GatherNd: indices' outer axes, then what an index leaves of ``params``.

    >>> gather_nd_shape((4, 5, 6), (7, 2))
    (7, 6)
    """
    if not params or not indices:
        name = "indices" if params else "input"
        raise InvalidArgumentError(f"tf.gatherND() expects the {name} to be rank 1 or higher, but the rank was 0.")
    if indices[-1] > len(params):
        raise InvalidArgumentError(
            f"index innermost dimension length must be <= tensor rank; saw: {indices[-1]} vs. {len(params)}"
        )
    shape: Shape = (*indices[:-1], *params[indices[-1] :])
    if 0 in params and 0 not in shape:
        raise InvalidArgumentError(
            f"Requested more than 0 entries, but input is empty. Input shape: {shape_text(params)}."
        )
    return shape


def scatter_nd_dims(indices: Sequence[int], updates: Sequence[int], shape: Sequence[int]) -> tuple[int, int, int]:
    """(axes an index names, number of updates, elements an update covers) of ScatterNd into ``shape``.

    Indices of rank 1 are scalar indices. InvalidArgumentError for shapes that do not fit.

    >>> scatter_nd_dims((4, 1), (4, 6), (8, 6))
    (1, 4, 6)
    """
    if not indices or not updates:
        name, rank = ("indices", len(indices)) if not indices else ("updates", len(updates))
        raise InvalidArgumentError(
            f"tf.scatterND() expects the {name} to be rank 1 or higher, but the rank was {rank}."
        )
    if not shape:
        raise InvalidArgumentError(f"Output rank must be greater or equal to 1, but got shape: {shape_text(shape)}")
    depth = indices[-1] if len(indices) > 1 else 1
    batch = len(indices) - 1 if len(indices) > 1 else 1
    error = (
        "Must have updates.shape = indices.shape[:batchDim] + shape[sliceDim:], got updates.shape: "
        f"{shape_text(updates)}, indices.shape: {shape_text(indices)}, shape: {shape_text(shape)}, "
        f"sliceDim: {depth}, and batchDim: {batch}."
    )
    if len(updates) < batch:
        raise InvalidArgumentError(f"{error} update.rank < {batch}.")
    if len(shape) < depth + len(updates) - batch:
        raise InvalidArgumentError(f"{error} Output shape length < {depth + len(updates) - batch}")
    if len(updates) != batch + len(shape) - depth:
        raise InvalidArgumentError(f"{error} update.rank != {batch + len(shape) - depth}")
    for k, extent in enumerate(updates):
        if k < batch and extent != indices[k]:
            raise InvalidArgumentError(f"{error} updates.shape[{k}] ({extent}) != indices.shape[{k}] ({indices[k]}).")
        if k >= batch and extent != shape[k - batch + depth]:
            raise InvalidArgumentError(
                f"{error} updates.shape[{k}] ({extent}) != shape[{k}] ({shape[k - batch + depth]})"
            )
    count = math.prod(indices[:batch])
    inner = math.prod(shape[depth:])
    if count and inner and not math.prod(shape):
        raise InvalidArgumentError(f"Indices specified for empty output. indices shape: {shape_text(indices)}")
    return depth, count, inner


def sparse_to_dense_count(
    indices: Sequence[int], values: Sequence[int], default: Sequence[int], shape: Sequence[int]
) -> int:
    """How many elements SparseToDense puts into ``shape``; InvalidArgumentError for shapes that do not fit.

    ``indices`` are (count, rank), or (count,) or nothing for a vector.

    >>> sparse_to_dense_count((4, 2), (), (), (5, 6))
    4
    """
    if len(indices) > 2:
        raise InvalidArgumentError(
            f"sparseIndices should be a scalar, vector, or matrix, but got shape {shape_text(indices)}."
        )
    count = indices[0] if indices else 1
    depth = indices[1] if len(indices) == 2 else 1
    if len(shape) != depth:
        raise InvalidArgumentError(
            f"outputShape has incorrect number of elements: {len(shape)}, should be: {depth}, as sparseIndices of "
            f"shape {shape_text(indices)} have it"
        )
    if any(n < 0 for n in shape):
        raise InvalidArgumentError(f"outputShape must not be negative, got {shape_text(shape)}")
    if tuple(values) not in ((), (count,)):
        raise InvalidArgumentError(
            f"sparseValues has incorrect shape {shape_text(values)}, should be [] or [{count}]"
        )
    if math.prod(default) != 1:
        raise InvalidArgumentError(f"defaultValue must be a scalar, got shape {shape_text(default)}")
    return count


def segment_shape(x: Sequence[int], segment_ids: Sequence[int], num_segments: int) -> Shape:
    """The shape of what one segment id stands for in ``x``, whose first axes are those of ``segment_ids``.

    >>> segment_shape((4, 5, 6), (4,), 3)
    (5, 6)
    """
    if tuple(x[: len(segment_ids)]) != tuple(segment_ids):
        raise InvalidArgumentError(
            f"the shape of segmentIds, {shape_text(segment_ids)}, must be the beginning of the shape of x, "
            f"{shape_text(x)}"
        )
    if num_segments < 0:
        raise InvalidArgumentError(f"numSegments must not be negative, got {num_segments}")
    return tuple(x[len(segment_ids) :])


def one_hot_shape(indices: Sequence[int], depth: int) -> Shape:
    """``indices`` with an axis of ``depth`` at the end.

    >>> one_hot_shape((2, 3), 5)
    (2, 3, 5)
    """
    if depth < 0:
        raise InvalidArgumentError(f"Error in oneHot: depth must not be negative, but it is {depth}")
    return (*indices, int(depth))


def top_k_shape(x: Sequence[int], k: int) -> Shape:
    """``x`` with its last axis cut to ``k``; InvalidArgumentError unless 0 <= k <= that axis.

    >>> top_k_shape((2, 9), 3)
    (2, 3)
    """
    if not x:
        raise InvalidArgumentError("topk() expects the input to be of rank 1 or higher")
    if k < 0:
        raise InvalidArgumentError(f"'k' passed to topk() must be >= 0 but got {k}")
    if k > x[-1]:
        raise InvalidArgumentError(f"'k' passed to topk() must be <= the last dimension ({x[-1]}) but got {k}")
    return (*x[:-1], int(k))
