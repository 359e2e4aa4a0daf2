"""Ragged tensors of one ragged axis, whose ops the graph models of TensorFlow.js do not reach.

A value knows its row by a sorted search in the row splits.
"""

from __future__ import annotations

from tfgl.ir.graph import DataType, Edge

from .registry import INT32, Place, Unfit, rewrite


def _op(place: Place, op: str, *inputs: Edge) -> Edge:
    """A node of int32 values."""
    return place.op(op, *inputs, dtype=INT32)


def _vector(place: Place, edge: Edge) -> Edge:
    return place.op("Reshape", edge, place.integers(-1), dtype=INT32, Tshape=INT32)


def _joined(place: Place, *vectors: Edge) -> Edge:
    return place.op("ConcatV2", *vectors, place.scalar(0), dtype=INT32, N=len(vectors), Tidx=INT32)


def _size(place: Place, edge: Edge, dtype: DataType = INT32) -> Edge:
    return place.op("Size", edge, dtype=dtype, out_type=INT32)


def _gathered(place: Place, x: Edge, indices: Edge, dtype: DataType = INT32) -> Edge:
    return place.op("GatherV2", x, indices, place.scalar(0), dtype=dtype, Tindices=INT32, Taxis=INT32, batch_dims=0)


def _found(place: Place, side: str, row: Edge, values: Edge) -> Edge:
    """Where ``values`` belong in the sorted vector ``row``."""
    # TensorFlow.js cannot search for nothing, nor in nothing.
    row, values = (_joined(place, edge, place.integers(more)) for edge, more in ((row, 2**31 - 1), (values, 0)))
    found = place.op(side, place.expand(row, 0, INT32), place.expand(values, 0, INT32), dtype=INT32, out_type=INT32)
    return place.op(
        "StridedSlice", _vector(place, found), place.integers(0), place.integers(-1), place.integers(1), dtype=INT32,
        Index=INT32, begin_mask=1, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
    )  # fmt: skip


def _rows(place: Place, splits: Edge, positions: Edge) -> Edge:
    """The row of each position."""
    return _op(place, "Sub", _found(place, "UpperBound", splits, positions), place.scalar(1))


def _splits(place: Place, lengths: Edge) -> Edge:
    """Row splits of rows of these lengths."""
    sums = place.op("Cumsum", lengths, place.scalar(0), dtype=INT32, Tidx=INT32, exclusive=False, reverse=False)
    return _joined(place, place.integers(0), sums)


def _largest(place: Place, *vectors: Edge) -> Edge:
    """The largest element, -1 where there is none."""
    joined = _joined(place, place.integers(-1), *vectors)
    return place.op("Max", joined, place.integers(0), dtype=INT32, Tidx=INT32, keep_dims=False)


def _runs(place: Place, lengths: Edge) -> tuple[Edge, Edge, Edge]:
    """(row splits, row of each value, place of each value in its row) of rows of these lengths."""
    splits = _splits(place, lengths)
    positions = place.range(place.at(splits, -1))
    rows = _rows(place, splits, positions)
    return splits, rows, _op(place, "Sub", positions, _gathered(place, splits, rows))


@rewrite("RaggedRange")
def ragged_range(place: Place) -> list[Edge] | Unfit:
    """Whole steps from each start; a fraction adds up to other floats in TensorFlow."""
    shapes = [place.known_shape(i) for i in range(3)]
    if place.dtype.stored != "int32" or any(shape is None for shape in shapes):
        return Unfit("integers of known rank")
    starts, limits, deltas = (
        _vector(place, edge) if shape == () else edge for edge, shape in zip(place.inputs, shapes, strict=True)
    )
    span = _op(place, "Sub", limits, starts)
    # FloorDiv rounds down, so that the negated quotient of the negated span rounds up.
    steps = _op(place, "Neg", _op(place, "FloorDiv", _op(place, "Neg", span), deltas))
    lengths = _op(place, "Maximum", steps, place.scalar(0))
    splits, rows, within = _runs(place, lengths)
    zero = _op(place, "ZerosLike", lengths)
    starts, deltas = (_gathered(place, _op(place, "AddV2", edge, zero), rows) for edge in (starts, deltas))
    return [splits, _op(place, "AddV2", starts, _op(place, "Mul", within, deltas))]


@rewrite("RaggedGather")
def ragged_gather(place: Place) -> list[Edge] | Unfit:
    """The runs of values of the rows that the indices name."""
    shape = place.known_shape(-1)
    if len(place.inputs) != 3 or shape is None or len(shape) != 1:
        return Unfit("one ragged axis and a vector of indices")
    splits, values, indices = place.inputs
    begins = _gathered(place, splits, indices)
    ends = _gathered(place, splits, _op(place, "AddV2", indices, place.scalar(1)))
    made, rows, within = _runs(place, _op(place, "Sub", ends, begins))
    sources = _op(place, "AddV2", _gathered(place, begins, rows), within)
    dtype = place.attr("Tvalues", DataType("float32"))
    return [made, _gathered(place, values, sources, dtype)]


@rewrite("RaggedTensorToTensor")
def ragged_to_dense(place: Place) -> Edge | Unfit:
    """Values put at their row and at their place in it."""
    types = place.attr("row_partition_types", [])
    stated, known, default_shape = place.value(0), place.known_shape(1), place.known_shape(2)
    if types not in ([b"ROW_SPLITS"], [b"FIRST_DIM_SIZE", b"VALUE_ROWIDS"]):
        return Unfit("one ragged axis, by row splits or row ids")
    if stated is None or known is None or len(known) != 1 or default_shape != ():
        return Unfit("a constant shape, values of rank 1 and a scalar default")
    _, values, default, *partitions = place.inputs
    height, width = (-1, -1) if not stated.ndim else (int(n) for n in stated)
    count = _size(place, values, place.dtype)
    positions = place.range(count)
    if len(types) == 1:
        (splits,) = partitions
        rows = _rows(place, splits, positions)
        columns = _op(place, "Sub", positions, _gathered(place, splits, rows))
        there = _op(place, "Sub", _size(place, splits), place.scalar(1))
    else:
        there, rows = partitions
        columns = _op(place, "Sub", positions, _found(place, "LowerBound", rows, rows))
    longest = _op(place, "AddV2", _largest(place, columns), place.scalar(1))
    high = there if height < 0 else place.scalar(height)
    wide = longest if width < 0 else place.scalar(width)
    # Large enough for every value; what the shape cuts off is cut off afterwards.
    room = place.pack(_op(place, "Maximum", high, there), _op(place, "Maximum", wide, longest))
    places = place.op("Pack", rows, columns, dtype=INT32, N=2, axis=1)
    dense = place.op("SparseToDense", places, room, values, default, Tindices=INT32, validate_indices=True)
    if (height, width) == (-1, -1):
        return dense
    return place.op("Slice", dense, place.integers(0, 0), place.pack(high, wide), Index=INT32)


def _counted(place: Place, rows: Edge, bins: Edge, height: Edge, size: Edge, weights: int) -> Edge | Unfit:
    """Ones, or the weights, of each row added up by bin; a bin beyond ``size`` counts nowhere."""
    given, real = place.known_shape(weights), place.dtype
    if given is None or -1 in given or real.stored not in ("float32", "int32"):
        return Unfit("weights of known size")
    one = place.cast(_op(place, "OnesLike", bins), INT32, real)
    updates = place.inputs[weights] if given != (0,) else one
    width = _op(place, "AddV2", size, place.scalar(1))
    places = place.op("Pack", rows, _op(place, "Minimum", bins, size), dtype=INT32, N=2, axis=1)
    counts = place.op("ScatterNd", places, updates, place.pack(height, width), Tindices=INT32)
    counts = place.op("Slice", counts, place.integers(0, 0), place.pack(height, size), Index=INT32)
    return place.op("Minimum", counts, place.constant(1)) if place.attr("binary_output", False) else counts


@rewrite("RaggedBincount")
def ragged_bincount(place: Place) -> Edge | Unfit:
    """Counts of each row of ragged values."""
    splits, values, size, _ = place.inputs
    rows = _rows(place, splits, place.range(_size(place, values)))
    return _counted(place, rows, values, _op(place, "Sub", _size(place, splits), place.scalar(1)), size, 3)


@rewrite("SparseBincount")
def sparse_bincount(place: Place) -> Edge | Unfit:
    """Counts of each row of a sparse matrix."""
    shape = place.known_shape(2)
    if shape != (2,):
        return Unfit("a matrix")
    indices, values, dense_shape, size, _ = place.inputs
    rows = place.op(
        "GatherV2", indices, place.scalar(0), place.scalar(1), dtype=INT32, Tindices=INT32, Taxis=INT32, batch_dims=0
    )
    return _counted(place, rows, values, place.at(dense_shape, 0), size, 4)
