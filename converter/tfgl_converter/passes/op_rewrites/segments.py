"""Segments, partitions and what is put together from them; products with sparse matrices."""

from __future__ import annotations

import numpy as np

from tfgl.ir.graph import DataType, Edge

from .registry import BOOL, INT32, Place, Unfit, rewrite

_NUMBERS = ("float32", "int32")


def _joined(place: Place, *vectors: Edge) -> Edge:
    """int32 vectors one behind the other."""
    return place.op("ConcatV2", *vectors, place.scalar(0), dtype=INT32, N=len(vectors), Tidx=INT32)


def _first(place: Place, edge: Edge, count: Edge) -> Edge:
    """The first ``count`` rows."""
    return place.op(
        "StridedSlice", edge, place.integers(0), place.expand(count, 0, INT32), place.integers(1), Index=INT32,
        begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
    )  # fmt: skip


def _largest_and_one(place: Place, *ids: Edge) -> Edge:
    """One more than the largest of vectors of ids; 0 where there is none."""
    most = place.op(
        "Max", _joined(place, place.integers(-1), *ids), place.integers(0), dtype=INT32, Tidx=INT32, keep_dims=False
    )
    return place.op("AddV2", most, place.scalar(1), dtype=INT32)


def _inner(place: Place, data: Edge, rank: int) -> Edge:
    """The shape of one row, below the first ``rank`` axes."""
    return place.beyond(place.shape(data), rank)


def _summed(place: Place, data: Edge, ids: Edge, count: Edge, rank: int = 1) -> Edge:
    """Sums of the rows of equal id; ScatterNd adds up what lands in one place."""
    shape = _joined(place, place.expand(count, 0, INT32), _inner(place, data, rank))
    return place.op("ScatterNd", place.expand(ids, -1, INT32), data, shape, Tindices=INT32)


@rewrite("SegmentSum", "SegmentMean")
def segment_sum(place: Place) -> Edge | Unfit:
    """Sums or means of the rows of each segment, as many as the largest id says."""
    if place.dtype.stored not in _NUMBERS:
        return Unfit("real numbers")
    data, ids = place.inputs
    count = _largest_and_one(place, ids)
    sums = _summed(place, data, ids, count)
    if place.node.op == "SegmentSum":
        return sums
    counted = _summed(place, place.op("OnesLike", data), ids, count)
    return place.op("RealDiv", sums, place.op("Maximum", counted, place.constant(1)))


@rewrite("UnsortedSegmentSum")
def unsorted_segment_sum(place: Place) -> Edge | Unfit:
    """Sums by id; rows of a negative id go into one more segment, which is cut off."""
    known = place.known_shape(1)
    if known is None or place.dtype.stored not in _NUMBERS:
        return Unfit("real numbers and ids of known rank")
    data, ids, count = place.inputs
    ids = place.op("SelectV2", place.op("Less", ids, place.scalar(0), dtype=INT32), count, ids, dtype=INT32)
    more = place.op("AddV2", count, place.scalar(1), dtype=INT32)
    return _first(place, _summed(place, data, ids, more, len(known)), count)


def _over_rows(place: Place, kind: str, ids: Edge, count: Edge, rank: int, empty: Edge) -> Edge:
    """Max, Min or Prod of the rows of equal id; every segment looks at all rows, so this costs their product."""
    data = place.inputs[0]
    size = place.op("Size", ids, dtype=INT32, out_type=INT32)
    inner = _inner(place, data, rank)
    elements = place.op("Prod", inner, place.integers(0), dtype=INT32, Tidx=INT32, keep_dims=False)
    rows = place.op("Reshape", data, place.pack(place.scalar(1), size, elements), Tshape=INT32)
    flat = place.op("Reshape", ids, place.pack(place.scalar(1), size), dtype=INT32, Tshape=INT32)
    mine = place.op("Equal", place.expand(place.range(count), 1, INT32), flat, dtype=INT32)
    rest = place.constant(1) if kind == "Prod" else _end(place, kind, infinite=True)
    chosen = place.op("SelectV2", place.expand(mine, 2, BOOL), rows, rest)
    found = place.op(kind, chosen, place.integers(1), Tidx=INT32, keep_dims=False)
    there = place.op("Any", mine, place.integers(1), Tidx=INT32, keep_dims=True)
    settled = place.op("SelectV2", there, found, empty)
    return place.op("Reshape", settled, _joined(place, place.expand(count, 0, INT32), inner), Tshape=INT32)


def _end(place: Place, kind: str, *, infinite: bool = False) -> Edge:
    """The number that none is below, for a maximum, or above."""
    if place.dtype.stored == "int32":
        return place.constant(-(2**31) if kind == "Max" else 2**31 - 1)
    end = np.float32(np.inf) if infinite else np.finfo(np.float32).max
    return place.constant(-end if kind == "Max" else end)


@rewrite("SegmentMax", "SegmentMin", "SegmentProd")
def segment_extreme(place: Place) -> Edge | Unfit:
    """The largest, the smallest or the product of each segment: 0, or 1 for products, of an empty one."""
    if place.dtype.stored not in _NUMBERS:
        return Unfit("real numbers")
    kind, ids = place.node.op.removeprefix("Segment"), place.inputs[1]
    return _over_rows(place, kind, ids, _largest_and_one(place, ids), 1, place.constant(int(kind == "Prod")))


@rewrite("UnsortedSegmentMax", "UnsortedSegmentMin", "UnsortedSegmentProd")
def unsorted_segment_extreme(place: Place) -> Edge | Unfit:
    """The same by id, negative ones nowhere; of an empty segment the finite extreme of the dtype, or 1."""
    known = place.known_shape(1)
    if known is None or place.dtype.stored not in _NUMBERS:
        return Unfit("real numbers and ids of known rank")
    kind = place.node.op.removeprefix("UnsortedSegment")
    _, ids, count = place.inputs
    if kind == "Prod":
        return _over_rows(place, kind, ids, count, len(known), place.constant(1))
    end = _end(place, kind)
    found = _over_rows(place, kind, ids, count, len(known), end)
    # TensorFlow begins with the finite extreme.
    return place.op("Maximum" if kind == "Max" else "Minimum", found, end)


@rewrite("DynamicPartition")
def dynamic_partition(place: Place) -> list[Edge]:
    """For each partition the rows where its number stands."""
    data, partitions = place.inputs
    parts = []
    for number in range(int(place.attr("num_partitions", 1))):
        mine = place.op("Equal", partitions, place.scalar(number), dtype=INT32)
        places = place.op("Where", mine, dtype=BOOL)
        parts.append(place.plain("GatherNd", data, places, attrs={"Tparams": place.dtype, "Tindices": INT32}))
    return parts


@rewrite("DynamicStitch", "ParallelDynamicStitch")
def dynamic_stitch(place: Place) -> Edge | Unfit:
    """Rows put at their indices, as many as the largest index says; of several at one index the last stays."""
    count = len(place.inputs) // 2
    known = [place.known_shape(i) for i in range(count)]
    if any(shape is None for shape in known) or place.dtype.stored not in _NUMBERS:
        return Unfit("real numbers and indices of known rank")
    indices, data = place.inputs[:count], place.inputs[count:]
    inner = _inner(place, data[0], len(known[0] or ()))
    flat, rows = [], []
    for edge, values in zip(indices, data, strict=True):
        flat.append(place.op("Reshape", edge, place.integers(-1), dtype=INT32, Tshape=INT32))
        size = place.expand(place.op("Size", edge, dtype=INT32, out_type=INT32), 0, INT32)
        rows.append(place.op("Reshape", values, _joined(place, size, inner), Tshape=INT32))
    shape = _joined(place, place.expand(_largest_and_one(place, *flat), 0, INT32), inner)
    zeros = place.plain("Fill", shape, place.constant(0), attrs={"T": place.dtype, "index_type": INT32})
    whole = place.op("ConcatV2", *rows, place.scalar(0), N=count, Tidx=INT32) if count > 1 else rows[0]
    places = place.expand(_joined(place, *flat) if count > 1 else flat[0], 1, INT32)
    return place.op("TensorScatterUpdate", zeros, places, whole, Tindices=INT32)


def _gathered(place: Place, x: Edge, indices: Edge, axis: int, dtype: DataType) -> Edge:
    return place.op("GatherV2", x, indices, place.scalar(axis), dtype=dtype, Tindices=INT32, Taxis=INT32, batch_dims=0)


@rewrite("SparseTensorDenseMatMul")
def sparse_product(place: Place) -> Edge | Unfit:
    """Rows of the dense matrix, weighted by the values, summed by the rows of the sparse one."""
    if place.dtype.stored not in _NUMBERS:
        return Unfit("real numbers")
    indices, values, shape, dense = place.inputs
    if place.attr("adjoint_b", False):
        dense = place.op("Transpose", dense, place.integers(1, 0), Tperm=INT32)
    row, column = (1, 0) if place.attr("adjoint_a", False) else (0, 1)
    columns = _gathered(place, indices, place.scalar(column), 1, INT32)
    lines = _gathered(place, indices, place.integers(row), 1, INT32)
    weighted = place.op("Mul", place.expand(values, 1), _gathered(place, dense, columns, 0, place.dtype))
    target = place.pack(place.at(shape, row), place.at(place.shape(dense), 1))
    return place.op("ScatterNd", lines, weighted, target, Tindices=INT32)


@rewrite("SparseReduceSum")
def sparse_sum(place: Place) -> Edge | Unfit:
    """The dense tensor summed."""
    if place.dtype.stored not in _NUMBERS:
        return Unfit("real numbers")
    indices, values, shape, axes = place.inputs
    dense = place.op("ScatterNd", indices, values, shape, Tindices=INT32)
    return place.op("Sum", dense, axes, Tidx=INT32, keep_dims=bool(place.attr("keep_dims", False)))


@rewrite("NonMaxSuppression")
def suppression(place: Place) -> Edge:
    """The op with the threshold as an input."""
    threshold = place.constant(float(place.attr("iou_threshold", 0.5)))
    return place.op("NonMaxSuppressionV2", *place.inputs, threshold, T_threshold=place.dtype)
