"""Ops that choose, count and accumulate."""

from __future__ import annotations

from tfgl.ir.graph import DataType, Edge

from .registry import BOOL, INT32, Place, Unfit, rewrite

_REAL = DataType("float32")


@rewrite("NthElement")
def nth_element(place: Place) -> Edge | Unfit:
    """The last of the n + 1 largest, of the negated values where the smallest are wanted."""
    n = place.value(1)
    if n is None or n.size != 1 or place.dtype.stored not in ("float32", "int32"):
        return Unfit("a constant n and real numbers")
    smallest = place.attr("reverse", False) is not True
    x = place.op("Neg", place.inputs[0]) if smallest else place.inputs[0]
    count = int(n.reshape(-1)[0])
    best = place.op("TopKV2", x, place.scalar(count + 1), sorted=True)
    found = place.op(
        "StridedSlice", best, place.integers(0, count), place.integers(0, count + 1), place.integers(1, 1),
        Index=INT32, begin_mask=0, end_mask=0, ellipsis_mask=1, new_axis_mask=0, shrink_axis_mask=2,
    )  # fmt: skip
    return place.op("Neg", found) if smallest else found


@rewrite("CumulativeLogsumexp")
def cumulative_logsumexp(place: Place) -> Edge | Unfit:
    """For each place the largest value before it is taken out of its own sum, so that nothing over- or underflows."""
    known, axis = place.known_shape(0), place.value(1)
    if known is None or axis is None:
        return Unfit("a constant axis and an input of known rank")
    at = int(axis.reshape(-1)[0]) % len(known)
    forward = place.attr("reverse", False) is not True
    steps = place.range(place.size(0, at))
    # Place i takes in place j; j runs along a new axis in front of the others behind `at`.
    mine, other = place.expand(steps, 1, INT32), steps
    order = (other, mine) if forward else (mine, other)
    inside = place.op("Less" if place.attr("exclusive", False) is True else "LessEqual", *order, dtype=INT32)
    beside = [1] * (len(known) - at - 1)
    mask = place.op("Reshape", inside, place.pack(*(place.size(0, at),) * 2, *(place.scalar(n) for n in beside)),
                    dtype=BOOL, Tshape=INT32)  # fmt: skip
    # Minus infinity would meet itself below.
    lowest = place.constant(-3.4028235e38)
    spread = place.op("SelectV2", mask, place.expand(place.inputs[0], at), lowest)
    largest = place.op("Max", spread, place.integers(at + 1), Tidx=INT32, keep_dims=True)
    largest = place.op("Maximum", largest, lowest)
    shares = place.op("SelectV2", mask, place.op("Exp", place.op("Sub", spread, largest)), place.constant(0))
    total = place.op("Log", place.op("Sum", shares, place.integers(at + 1), Tidx=INT32, keep_dims=True))
    return place.op("Squeeze", place.op("AddV2", total, largest), squeeze_dims=[at + 1])


@rewrite("HistogramFixedWidth")
def histogram(place: Place) -> Edge:
    """Ones scattered to the bin of each value; what lies outside goes into the first and the last."""
    values, span, bins = place.inputs
    low, high = place.at(span, 0), place.at(span, 1)
    if place.dtype.stored != "float32":
        values, low, high = (place.cast(edge, place.dtype, _REAL) for edge in (values, low, high))
    flat = place.op("Reshape", values, place.integers(-1), dtype=_REAL, Tshape=INT32)
    count = place.cast(bins, INT32, _REAL)
    step = place.op("RealDiv", place.op("Sub", high, low, dtype=_REAL), count, dtype=_REAL)
    scaled = place.op("RealDiv", place.op("Sub", flat, low, dtype=_REAL), step, dtype=_REAL)
    last = place.op("Sub", count, place.constant(1, _REAL), dtype=_REAL)
    inside = place.op("Minimum", place.op("Maximum", scaled, place.constant(0, _REAL), dtype=_REAL), last, dtype=_REAL)
    index = place.expand(place.cast(place.op("Floor", inside, dtype=_REAL), _REAL, INT32), 1, INT32)
    ones = place.cast(place.op("OnesLike", flat, dtype=_REAL), _REAL, INT32)
    return place.op("ScatterNd", index, ones, place.expand(bins, 0, INT32), dtype=INT32, Tindices=INT32)


@rewrite("SoftmaxCrossEntropyWithLogits")
def softmax_cross_entropy(place: Place) -> list[Edge]:
    """The loss of each row, and its gradient."""
    features, labels = place.inputs
    log = place.op("LogSoftmax", features)
    loss = place.op("Sum", place.op("Mul", labels, log), place.integers(-1), Tidx=INT32, keep_dims=False)
    return [place.op("Neg", loss), place.op("Sub", place.op("Softmax", features), labels)]


@rewrite("SparseSoftmaxCrossEntropyWithLogits")
def sparse_softmax_cross_entropy(place: Place) -> list[Edge]:
    """The same with the number of the class that is right."""
    features, labels = place.inputs
    chosen = place.op(
        "OneHot", labels, place.size(0, 1), place.constant(1), place.constant(0), TI=INT32, axis=-1
    )
    log = place.op("LogSoftmax", features)
    loss = place.op("Sum", place.op("Mul", chosen, log), place.integers(-1), Tidx=INT32, keep_dims=False)
    return [place.op("Neg", loss), place.op("Sub", place.op("Softmax", features), chosen)]


@rewrite("UniqueWithCounts", "UniqueWithCountsV2")
def unique_with_counts(place: Place) -> list[Edge] | Unfit:
    """Unique, and ones scattered to the place of each value."""
    axes = place.value(1) if place.node.op.endswith("V2") else None
    if place.node.op.endswith("V2") and (axes is None or (axes.size and axes.reshape(-1).tolist() != [0])):
        return Unfit("the first axis")
    shape = place.known_shape(0)
    if shape is None or len(shape) != 1:
        return Unfit("a vector")
    unique = place.op("Unique", place.inputs[0], out_idx=INT32)
    index = place.expand(Edge(unique.node, 1), 1, INT32)
    ones = place.op("OnesLike", Edge(unique.node, 1), dtype=INT32)
    counted = place.op("ScatterNd", index, ones, place.shape(unique), dtype=INT32, Tindices=INT32)
    return [unique, Edge(unique.node, 1), counted]


@rewrite("InTopK", "InTopKV2")
def in_top_k(place: Place) -> Edge:
    """Fewer than k values of the row exceed the target's; no row with NaN or infinities counts, no target outside."""
    predictions, targets = place.inputs[:2]
    k = place.inputs[2] if len(place.inputs) > 2 else place.constant(int(place.attr("k", 1)), INT32)
    width = place.op("Shape", predictions, dtype=_REAL, out_type=INT32)
    classes = place.at(width, 1)
    last = place.op("Sub", classes, place.scalar(1), dtype=INT32)
    held = place.op("Maximum", place.op("Minimum", targets, last, dtype=INT32), place.scalar(0), dtype=INT32)
    rows = place.range(place.at(width, 0))
    where = place.op("Pack", rows, held, dtype=INT32, N=2, axis=1)
    reached = place.op("GatherNd", predictions, where, dtype=_REAL, Tparams=_REAL, Tindices=INT32)
    better = place.op("Greater", predictions, place.expand(reached, 1, _REAL), dtype=_REAL)
    more, axis = place.cast(better, BOOL, INT32), place.integers(1)
    count = place.op("Sum", more, axis, dtype=INT32, Tidx=INT32, keep_dims=False)
    finite = place.op("All", place.op("IsFinite", predictions, dtype=_REAL), axis, Tidx=INT32, keep_dims=False)
    inside = place.op("Equal", targets, held, dtype=INT32)
    known = place.op("LogicalAnd", finite, inside)
    return place.op("LogicalAnd", place.op("Less", count, k, dtype=INT32), known)
