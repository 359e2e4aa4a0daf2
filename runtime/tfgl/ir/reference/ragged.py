"""Ragged tensors as values and row splits: ranges, gathered rows, and the way to a dense tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..cost import check_count
from ..shapes import broadcast_to_shape, shape_text
from .conversion import cast_to
from .registry import Array, reference


def _runs(starts: Array, lengths: Array) -> Array:
    """``start``, ``start`` + 1 and so on, ``length`` numbers each, one run behind the other."""
    total = int(lengths.sum())
    check_count(total, "ragged values")
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(total)


@reference("RaggedRange")
def ragged_range(starts: Array, limits: Array, deltas: Array) -> list[Array]:
    """[row splits int32, values]: a range for each element of the vectors; scalars serve all of them.

    >>> [array.tolist() for array in ragged_range(np.array([0, 5]), np.array([3, 3]), np.array([1, -1]))]
    [[0, 3, 5], [0, 1, 2, 5, 4]]
    """
    for name, values in (("starts", starts), ("limits", limits), ("deltas", deltas)):
        if values.ndim > 1:
            raise InvalidArgumentError(f"{name} must be a scalar or vector")
    if len({values.shape for values in (starts, limits, deltas) if values.ndim}) > 1:
        raise InvalidArgumentError("starts, limits, and deltas must have the same shape")
    starts, limits, deltas = np.broadcast_arrays(*map(np.atleast_1d, (starts, limits, deltas)))
    if (deltas == 0).any():
        raise InvalidArgumentError("Requires delta != 0")
    wide = np.float64 if starts.dtype.kind == "f" else np.int64
    span, step = limits.astype(wide) - starts.astype(wide), deltas.astype(wide)
    counts = np.ceil(np.where(span * np.sign(step) > 0, span / step, 0.0))
    if np.isnan(span).any() or not counts.sum() < 2**31:
        raise InvalidArgumentError("Requires ((limit - start) / delta) <= 2147483647")
    lengths = counts.astype(np.int64)
    check_count(int(lengths.sum()), "values of ranges")
    splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    if starts.dtype.kind != "f":
        steps = _runs(np.zeros(len(lengths), np.int64), lengths)
        values = np.repeat(starts, lengths) + steps * np.repeat(deltas, lengths)
        return [splits, values.astype(starts.dtype)]
    # Floats are added up one by one in their own precision, as TensorFlow does.
    rows = [
        np.add.accumulate(np.concatenate([[start], np.full(max(length - 1, 0), delta, deltas.dtype)]))[:length]
        for start, delta, length in zip(starts, deltas, lengths, strict=True)
    ]
    return [splits, np.concatenate([np.zeros(0, starts.dtype), *rows]).astype(starts.dtype)]


def gather_plan(nested_splits: Sequence[Array], values: int, indices: Array) -> tuple[list[Array], Array]:
    """(row splits of the result, rows of the values that it takes), for `ragged_gather`."""
    _check_splits(nested_splits, values)
    rows = len(nested_splits[0]) - 1
    wrong = np.argwhere((indices < 0) | (indices >= rows))
    if len(wrong):
        place = tuple(wrong[0])
        raise InvalidArgumentError(f"indices[{shape_text(place)}] = {indices[place]} is not in [0, {rows})")
    out = []
    for axis in range(indices.ndim - 1):
        count = math.prod(indices.shape[: axis + 1])
        check_count(count, "rows")
        out.append(np.arange(count + 1) * indices.shape[axis + 1])
    starts = indices.reshape(-1).astype(np.int64)
    limits = starts + 1
    for depth, splits in enumerate(nested_splits):
        if depth or indices.ndim:
            places = _runs(starts, limits - starts)
            lengths = splits[places + 1].astype(np.int64) - splits[places]
            out.append(np.concatenate([[0], np.cumsum(lengths)]))
        starts, limits = splits[starts].astype(np.int64), splits[limits].astype(np.int64)
    return [splits.astype(np.int32) for splits in out], _runs(starts, limits - starts)


def _check_splits(nested_splits: Sequence[Array], values: int) -> None:
    if not nested_splits:
        raise InvalidArgumentError("paramsNestedSplits must be non empty")
    ends = [*(len(splits) - 1 if splits.ndim else 0 for splits in nested_splits[1:]), values]
    for splits, end in zip(nested_splits, ends, strict=True):
        if splits.ndim != 1:
            raise InvalidArgumentError(f"Split tensors must be vectors, got shape {shape_text(splits.shape)}")
        if not splits.size:
            raise InvalidArgumentError("Ragged splits may not be empty")
        if splits[0] < 0:
            raise InvalidArgumentError("Ragged splits must be non-negative")
        if (np.diff(splits) < 0).any():
            raise InvalidArgumentError("Ragged splits must be sorted in ascending order")
        if splits[-1] > end:
            raise InvalidArgumentError("Ragged splits must not point past values")


@reference("RaggedGather")
def ragged_gather(
    params_nested_splits: Sequence[Array], params_dense_values: Array, indices: Array, *, output_ragged_rank: int
) -> list[Array]:
    """[*row splits, values]: the rows ``indices`` of a ragged tensor.

    >>> splits, values = np.array([0, 2, 3]), np.array([7, 8, 9])
    >>> [array.tolist() for array in ragged_gather([splits], values, np.array([1, 0, 0]), output_ragged_rank=1)]
    [[0, 1, 3, 5], [9, 7, 8, 7, 8]]
    """
    if not params_dense_values.ndim:
        raise InvalidArgumentError("params.rank must be nonzero")
    splits = [cast_to(split, "int32") for split in params_nested_splits]
    out, rows = gather_plan(splits, len(params_dense_values), cast_to(indices, "int32"))
    check_ragged_rank(len(out), output_ragged_rank)
    check_count(rows.size * math.prod(params_dense_values.shape[1:]), "gathered values")
    return [*out, params_dense_values[rows]]


def check_ragged_rank(rank: int, stated: int) -> None:
    """Raise InvalidArgumentError when the result of a gather has not the ragged rank that the model states."""
    if stated and rank != stated:
        raise InvalidArgumentError(f"the gathered rows have ragged rank {rank}, outputRaggedRank says {stated}")


def dense_plan(
    shape: Array, values_shape: Sequence[int], partitions: Sequence[Array], types: Sequence[str]
) -> tuple[tuple[int, ...], Array]:
    """(shape of the dense tensor, for each of its rows the row of the values or -1), for `ragged_to_dense`.

    ``types`` are FIRST_DIM_SIZE, VALUE_ROWIDS or ROW_SPLITS, one for each of ``partitions``; a row has the
    shape of the values behind their first axis.
    """
    if not types:
        raise InvalidArgumentError("No row_partition_types given.")
    if len(types) != len(partitions):
        raise InvalidArgumentError(f"{len(types)} rowPartitionTypes for {len(partitions)} rowPartitionTensors")
    if not partitions[0].size:
        raise InvalidArgumentError("Invalid first partition input. Tensor requires at least one element.")
    if types[0] == "FIRST_DIM_SIZE":
        first, levels = int(partitions[0].reshape(-1)[0]), list(zip(types, partitions, strict=True))[1:]
    elif types[0] == "ROW_SPLITS":
        first, levels = partitions[0].size - 1, list(zip(types, partitions, strict=True))
    else:
        raise InvalidArgumentError(f"Cannot handle {types[0]} in first dimension.")
    if first < 0:
        raise InvalidArgumentError(f"the first dimension must not be negative, got {first}")
    check_count(first, "rows")
    columns = [_columns(kind, partition.reshape(-1).astype(np.int64)) for kind, partition in levels]
    extents = _dense_shape(shape, values_shape, len(levels))
    for axis, extent in enumerate(extents):
        if extent < 0:
            widths = columns[axis - 1][1] if axis else np.zeros(0)
            extents[axis] = first if not axis else int(widths.max(initial=-1)) + 1
    outer = extents[: len(levels) + 1]
    check_count(math.prod(extents), "elements of a dense tensor")
    places = np.where(np.arange(first) < outer[0], np.arange(first), -1)
    for (rows, column), extent in zip(columns, outer[1:], strict=True):
        if rows.size and int(rows.max()) >= len(places):
            raise InvalidArgumentError(
                f"a row partition names row {int(rows.max())}, which is not less than {len(places)}"
            )
        above = places[rows]
        places = np.where((above >= 0) & (column < extent), above * extent + column, -1)
    if len(places) > values_shape[0]:
        raise InvalidArgumentError(f"the row partitions tell of {len(places)} values, there are {values_shape[0]}")
    sources = np.full(math.prod(outer), -1, np.int32)
    taken = np.flatnonzero(places >= 0)
    sources[places[taken]] = taken
    return tuple(extents), sources


def _columns(kind: str, partition: Array) -> tuple[Array, Array]:
    """For each value of a level its row and its place in the row."""
    if kind == "ROW_SPLITS":
        lengths = np.diff(partition)
        if partition.size and (partition[0] != 0 or (lengths < 0).any()):
            raise InvalidArgumentError("row splits must begin with 0 and rise")
        check_count(int(lengths.sum()), "ragged values")
        return np.repeat(np.arange(len(lengths)), lengths), _runs(np.zeros(len(lengths), np.int64), lengths)
    if kind == "VALUE_ROWIDS":
        if (partition < 0).any():
            raise InvalidArgumentError("row ids must not be negative")
        places = np.arange(partition.size)
        begins = np.concatenate([[True], np.diff(partition) != 0])[: partition.size]
        return partition, places - np.maximum.accumulate(np.where(begins, places, 0))
    raise InvalidArgumentError(f"Cannot handle partition type {kind}")


def _dense_shape(shape: Array, values_shape: Sequence[int], ragged_rank: int) -> list[int]:
    rank = ragged_rank + len(values_shape)
    if not shape.ndim:
        if int(shape) != -1:
            raise InvalidArgumentError("The only valid scalar shape tensor is the fully unknown shape specified as -1.")
        extents = [-1] * rank
    else:
        extents = [int(n) for n in shape.reshape(-1)]
    if min(extents, default=0) < -1:
        raise InvalidArgumentError(f"Dimension {min(extents)} must be >= -1")
    text = shape_text(extents)
    if len(extents) != rank:
        raise InvalidArgumentError(
            f"rt input.shape and shape={text} are incompatible: rt input.rank = {rank}, but shape.rank = {len(extents)}"
        )
    for axis in range(ragged_rank + 1, rank):
        extent = values_shape[axis - ragged_rank]
        if extents[axis] not in (-1, extent):
            raise InvalidArgumentError(
                f"rt input.shape and shape={text} are incompatible: rt input.shape[{axis}] = {extent} but "
                f"shape[{axis}] = {extents[axis]}"
            )
        extents[axis] = extent
    return extents


def default_row(default_value: Array, row_shape: Sequence[int]) -> Array:
    """``default_value`` broadcast to one row; InvalidArgumentError where its shape does not allow that."""
    check_count(math.prod(row_shape), "elements of a row")
    return np.broadcast_to(default_value, broadcast_to_shape(default_value.shape, row_shape))


@reference("RaggedTensorToTensor")
def ragged_to_dense(
    shape: Array,
    values: Array,
    default_value: Array,
    row_partition_tensors: Sequence[Array],
    *,
    row_partition_types: Sequence[str],
) -> Array:
    """The dense tensor of a ragged one, ``default_value`` where a row is short; what ``shape`` cuts off is lost.

    >>> splits = np.array([0, 2, 3])
    >>> ragged_to_dense(np.array(-1), np.array([7, 8, 9]), np.array(0), [splits],
    ...                 row_partition_types=["ROW_SPLITS"]).tolist()
    [[7, 8], [9, 0]]
    """
    if not values.ndim:
        raise InvalidArgumentError("the values of a ragged tensor have at least one axis")
    partitions = [cast_to(partition, "int32") for partition in row_partition_tensors]
    extents, sources = dense_plan(cast_to(shape, "int32"), values.shape, partitions, row_partition_types)
    row = default_row(default_value, values.shape[1:]).astype(values.dtype)
    return np.concatenate([values, row[None]])[sources].reshape(extents)


def ragged_to_sparse(nested_splits: Sequence[Array], values: Array) -> list[Array]:
    """[int32 indices (count, rank), values (count,), int32 dense shape] of a ragged tensor.

    >>> [array.tolist() for array in ragged_to_sparse([np.array([0, 2, 2, 3])], np.array([7, 8, 9]))]
    [[[0, 0], [0, 1], [2, 0]], [7, 8, 9], [3, 2]]
    """
    if not values.ndim:
        raise InvalidArgumentError("the values of a ragged tensor have at least one axis")
    splits = [cast_to(split, "int32").astype(np.int64) for split in nested_splits]
    _check_splits(splits, len(values))
    if any(split[0] for split in splits) or splits[-1][-1] != len(values):
        raise InvalidArgumentError("row splits must begin with 0 and end with the number of values")
    places = np.arange(len(splits[0]) - 1)[:, None]
    extents = [len(places)]
    for split in splits:
        lengths = np.diff(split)
        check_count(int(lengths.sum()) * (places.shape[1] + 1), "indices")
        columns = _runs(np.zeros(len(lengths), np.int64), lengths)
        places = np.concatenate([np.repeat(places[: len(lengths)], lengths, axis=0), columns[:, None]], axis=1)
        extents.append(int(lengths.max(initial=0)))
    inner = values.shape[1:]
    check_count(max(math.prod(inner), values.size) * (places.shape[1] + len(inner)), "indices")
    within = np.indices(inner).reshape(len(inner), math.prod(inner)).T
    indices = np.concatenate([np.repeat(places, len(within), axis=0), np.tile(within, (len(places), 1))], axis=1)
    return [indices.astype(np.int32), values.reshape(-1), np.array([*extents, *inner], np.int32)]
