"""Sparse tensors as (indices, values, dense shape): empty rows filled, another dense shape, sums by segment."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..cost import check_count
from ..shapes import shape_text, strides_of
from .conversion import cast_to
from .registry import Array, reference


@reference("SparseFillEmptyRows")
def sparse_fill_empty_rows(indices: Array, values: Array, dense_shape: Array, default_value: Array) -> list[Array]:
    """The sparse tensor with one ``default_value`` in the first column of each row that has no value.

    [indices (filled, rank) by rising row, values (filled,), bool (rows,) of which rows were empty, int32 (count,)
    of where each given value went].

    >>> result = sparse_fill_empty_rows(np.array([[2, 1]]), np.array([7]), np.array([3, 2]), np.array(0))
    >>> [array.tolist() for array in result]
    [[[0, 0], [1, 0], [2, 1]], [0, 0, 7], [True, True, False], [2]]
    """
    if dense_shape.ndim != 1 or not dense_shape.size:
        raise InvalidArgumentError(f"Dense shape must be a vector, saw: {shape_text(dense_shape.shape)}")
    if indices.ndim != 2:
        raise InvalidArgumentError(f"Indices must be a matrix, saw: {shape_text(indices.shape)}")
    if values.shape != indices.shape[:1]:
        raise InvalidArgumentError(
            f"Values must be a vector, saw: {shape_text(values.shape)} for {len(indices)} rows of indices"
        )
    if default_value.ndim:
        raise InvalidArgumentError(f"Default value must be a scalar, saw: {shape_text(default_value.shape)}")
    if indices.shape[1] != dense_shape.size:
        raise InvalidArgumentError(f"Indices have {indices.shape[1]} columns for a dense shape of {dense_shape.size}")
    rows, count = int(dense_shape[0]), len(indices)
    if not rows and count:
        raise InvalidArgumentError(f"Received SparseTensor with denseShape[0] = 0 but indices.shape[0] = {count}")
    check_count(rows, "rows")
    row_of = cast_to(indices, "int32")[:, 0]
    wrong = np.flatnonzero((row_of < 0) | (row_of >= rows))
    if wrong.size:
        at, row = int(wrong[0]), int(row_of[wrong[0]])
        limit = "< 0" if row < 0 else f">= {rows}"
        raise InvalidArgumentError(f"indices({at}, 0) is invalid: {row} {limit}")
    counts = np.bincount(row_of, minlength=rows) if rows else np.zeros(0, np.intp)
    empty = counts == 0
    # Each row begins where the ones before it end; its values keep their order.
    begins = np.cumsum(np.maximum(counts, 1)) - np.maximum(counts, 1)
    order = np.argsort(row_of, kind="stable")
    places = np.empty(count, np.int32)
    places[order] = begins[row_of[order]] + np.arange(count) - (np.cumsum(counts) - counts)[row_of[order]]
    total = count + int(empty.sum())
    check_count(total * indices.shape[1], "indices")
    out_indices = np.zeros((total, indices.shape[1]), np.int32)
    out_values = np.empty(total, values.dtype)
    out_values[...] = default_value
    out_indices[begins[empty], 0] = np.flatnonzero(empty)
    out_indices[places], out_values[places] = indices, values
    return [out_indices, out_values, empty, places]


@reference("SparseReshape")
def sparse_reshape(input_indices: Array, input_shape: Array, new_shape: Array) -> list[Array]:
    """[indices, dense shape], both int32, of the sparse tensor under ``new_shape``, one extent of which may be -1.

    >>> [array.tolist() for array in sparse_reshape(np.array([[1, 2]]), np.array([2, 3]), np.array([3, -1]))]
    [[[2, 1]], [3, 2]]
    """
    if input_indices.ndim != 2:
        raise InvalidArgumentError(
            f"Input indices should be a matrix but received shape {shape_text(input_indices.shape)}"
        )
    if input_shape.ndim != 1:
        raise InvalidArgumentError(f"Input shape should be a vector but received shape {shape_text(input_shape.shape)}")
    if new_shape.ndim != 1:
        raise InvalidArgumentError(f"Target shape should be a vector but received shape {shape_text(new_shape.shape)}")
    if input_indices.shape[1] != input_shape.size:
        raise InvalidArgumentError(
            f"Input indices have {input_indices.shape[1]} columns for a shape of {input_shape.size}"
        )
    before = [int(n) for n in input_shape]
    after = _resolved(before, [int(n) for n in new_shape])
    if math.prod(before) >= 1 << 62:
        raise InvalidArgumentError(f"the dense shape {shape_text(before)} has more elements than can be counted")
    flat = input_indices.astype(np.int64) @ np.array(strides_of(before), np.int64).reshape(-1)
    out = np.empty((len(input_indices), len(after)), np.int32)
    for axis, stride in enumerate(strides_of(after)):
        out[:, axis], flat = np.divmod(flat, max(stride, 1))
    return [out, np.array(after, np.int32)]


def _resolved(before: Sequence[int], after: list[int]) -> list[int]:
    size, unknown = math.prod(before), None
    for axis, extent in enumerate(after):
        if extent == -1:
            if unknown is not None:
                raise InvalidArgumentError(f"only one output dimension may be -1, not both {unknown} and {axis}")
            unknown = axis
        elif extent < 0:
            raise InvalidArgumentError(f"size {axis} must be non-negative, not {extent}")
    texts = f"inputShape={','.join(map(str, before))} outputShape={','.join(map(str, after))}"
    if unknown is not None:
        known = math.prod(extent for extent in after if extent != -1)
        if not known:
            raise InvalidArgumentError(
                "reshape cannot infer the missing input size for an empty tensor unless all specified input sizes "
                "are non-zero"
            )
        if size % known:
            raise InvalidArgumentError(
                f"Input to reshape is a SparseTensor with {size} dense values, but the requested shape requires a "
                f"multiple of {known}. {texts}"
            )
        after[unknown] = size // known
    if math.prod(after) != size:
        raise InvalidArgumentError(
            f"Input to reshape is a tensor with {size} dense values, but the requested shape has {math.prod(after)}. "
            f"{texts}"
        )
    return after


def segment_count(data_shape: Sequence[int], indices: Array, segment_ids: Array) -> int:
    """How many segments there are, after a check of what SparseSegmentSum and SparseSegmentMean get.

    >>> segment_count((4, 2), np.array([3, 0]), np.array([0, 2]))
    3
    """
    if not data_shape:
        raise InvalidArgumentError("Data should be at least 1 dimensional but received scalar")
    if indices.ndim != 1:
        raise InvalidArgumentError(f"Indices should be a vector but received shape {shape_text(indices.shape)}")
    if segment_ids.ndim != 1:
        raise InvalidArgumentError(f"Segment ids should be a vector but received shape {shape_text(segment_ids.shape)}")
    if segment_ids.shape != indices.shape:
        raise InvalidArgumentError("segmentIds and indices should have same size.")
    if not segment_ids.size:
        return 0
    count = int(segment_ids[-1]) + 1
    if count <= 0:
        raise InvalidArgumentError("segment ids must be >= 0")
    falling = np.flatnonzero(np.diff(segment_ids) < 0)
    wrong = np.flatnonzero((segment_ids < 0) | (segment_ids >= count))
    if wrong.size and (not falling.size or wrong[0] < falling[0]):
        raise InvalidArgumentError(
            f"Segment id {segment_ids[wrong[0]]} out of range [0, {count}), possibly because segmentIds input is not "
            "sorted."
        )
    if falling.size:
        raise InvalidArgumentError("segment ids are not increasing")
    outside = np.flatnonzero((indices < 0) | (indices >= data_shape[0]))
    if outside.size:
        at = int(outside[0])
        raise InvalidArgumentError(f"Bad: indices[{at}] == {indices[at]} out of range [0, {data_shape[0]})")
    check_count(count * math.prod(data_shape[1:]), "elements of segments")
    return count


def _segments(data: Array, indices: Array, segment_ids: Array) -> tuple[Array, Array]:
    indices, ids = cast_to(indices, "int32"), cast_to(segment_ids, "int32")
    out = np.zeros((segment_count(data.shape, indices, ids), *data.shape[1:]), data.dtype)
    np.add.at(out, ids, data[indices])
    return out, np.bincount(ids, minlength=len(out))


@reference("SparseSegmentSum")
def sparse_segment_sum(data: Array, indices: Array, segment_ids: Array) -> Array:
    """Sums of the rows ``indices`` of ``data`` by rising segment ids."""
    return _segments(data, indices, segment_ids)[0]


@reference("SparseSegmentMean")
def sparse_segment_mean(data: Array, indices: Array, segment_ids: Array) -> Array:
    """Means of the rows ``indices`` of ``data`` by rising segment ids, int32 cut; an empty segment is 0."""
    total, counts = _segments(data, indices, segment_ids)
    means: Array = total / np.maximum(counts, 1).reshape(-1, *(1,) * (data.ndim - 1))
    return cast_to(means, "int32") if data.dtype.kind == "i" else means
