"""Reductions, positions of extremes, cumulative sums and products, counts, segments."""

from __future__ import annotations

import itertools
import math

from ...errors import InvalidArgumentError
from .arithmetic import truncate_div
from .arrange import axis_of, scalar_like
from .call import Call, Value
from .registry import lower

# The kernel Max calls its axes otherwise than all the rest do.
_AXES = {"Max": "reductionIndices"}


def _axes(call: Call, x: Value) -> list[int]:
    return sorted({axis_of(axis, len(x.shape)) for axis in call.host_integers(1)})


@lower("Sum", inputs=2, kernels=("Sum",), host=(1,))
@lower("Max", inputs=2, kernels=("Max",), host=(1,))
@lower("Min", inputs=2, kernels=("Min",), host=(1,))
@lower("Prod", inputs=2, kernels=("Prod",), host=(1,))
@lower("All", inputs=2, kernels=("All",), host=(1,))
@lower("Any", inputs=2, kernels=("Any",), host=(1,))
def reduce(call: Call) -> Value:
    """Over the axes of the second input; over none of them the input stays as it is."""
    x = call.inputs[0]
    axes = _axes(call, x)
    if not axes:
        return x
    op = call.node.op
    attrs = {_AXES.get(op, "axis"): axes, "keepDims": call.flag("keep_dims")}
    return call.one(op, {"x": x}, **attrs)


@lower(
    "Mean",
    inputs=2,
    kernels=("Mean", "Sum", "FloorDiv", "Multiply", "Sub", "NotEqual", "Less", "LogicalAnd", "Cast", "Add"),
    host=(1,),
)
def mean(call: Call) -> Value:
    """Integers stay integers: their sum divided towards zero."""
    x = call.inputs[0]
    axes = _axes(call, x)
    if not axes:
        return x
    keep = call.flag("keep_dims")
    if x.dtype != "int32":
        return call.one("Mean", {"x": x}, axis=axes, keepDims=keep)
    count = math.prod(x.shape[axis] for axis in axes)
    total = call.one("Sum", {"x": x}, axis=axes, keepDims=keep)
    return truncate_div(call, total, scalar_like(call, max(count, 1), total))


@lower("ArgMax", inputs=2, kernels=("ArgMax",), host=(1,))
@lower("ArgMin", inputs=2, kernels=("ArgMin",), host=(1,))
def arg_extreme(call: Call) -> Value:
    """The first position of the extreme along an axis, int32."""
    x = call.inputs[0]
    if not x.shape:
        raise InvalidArgumentError("a scalar has no axis to search")
    return call.one(call.node.op, {"x": x}, axis=axis_of(call.host_integer(1), len(x.shape)))


@lower("Cumsum", inputs=2, kernels=("Cumsum",), host=(1,))
@lower("Cumprod", inputs=2, kernels=("Cumprod",), host=(1,))
def cumulate(call: Call) -> Value:
    """Along one axis, from the end with ``reverse``, without the element itself with ``exclusive``."""
    x = call.inputs[0]
    return call.one(
        call.node.op,
        {"x": x},
        axis=axis_of(call.host_integer(1), len(x.shape)),
        exclusive=call.flag("exclusive"),
        reverse=call.flag("reverse"),
    )


@lower("TopK", inputs=1, kernels=("TopK",))
def top_k(call: Call) -> list[Value]:
    """The k largest of the last axis and their positions; k is an attribute."""
    return _top_k(call, call.integer("k"))


@lower("TopKV2", inputs=2, kernels=("TopK",), host=(1,))
def top_k_v2(call: Call) -> list[Value]:
    """The k largest of the last axis and their positions; k is an input."""
    return _top_k(call, call.host_integer(1))


def _top_k(call: Call, k: int) -> list[Value]:
    return call.many("TopK", {"x": call.inputs[0]}, k=k, sorted=call.flag("sorted", True))


@lower("Bincount", inputs=3, kernels=("Bincount",), host=(1,))
def bincount(call: Call) -> Value:
    """How often, or with which sum of weights, each of 0 to size - 1 occurs."""
    x, _, weights = call.inputs
    return call.one("Bincount", {"x": x, "weights": weights}, size=call.host_integer(1))


@lower("DenseBincount", inputs=3, kernels=("DenseBincount",), host=(1,))
def dense_bincount(call: Call) -> Value:
    """Bincount of a vector, or of each row of a matrix."""
    x, _, weights = call.inputs
    attrs = {"size": call.host_integer(1), "binaryOutput": call.flag("binary_output")}
    return call.one("DenseBincount", {"x": x, "weights": weights}, **attrs)


@lower("UnsortedSegmentSum", inputs=3, kernels=("UnsortedSegmentSum",), host=(2,))
def unsorted_segment_sum(call: Call) -> Value:
    """Sums of the rows that share a segment id."""
    x, ids, _ = call.inputs
    return call.one("UnsortedSegmentSum", {"x": x, "segmentIds": ids}, numSegments=call.host_integer(2))


@lower("SegmentSum", inputs=2, kernels=("UnsortedSegmentSum",), host=(1,))
def segment_sum(call: Call) -> Value:
    """As UnsortedSegmentSum with ascending ids, the last of which tells how many segments there are."""
    x, ids = call.inputs
    known = call.host_integers(1)
    if any(a > b for a, b in itertools.pairwise(known)):
        raise InvalidArgumentError("segment ids must ascend")
    count = known[-1] + 1 if known else 0
    return call.one("UnsortedSegmentSum", {"x": x, "segmentIds": ids}, numSegments=count)


@lower("LowerBound", inputs=2, kernels=("SearchSorted",))
@lower("UpperBound", inputs=2, kernels=("SearchSorted",))
def bound(call: Call) -> Value:
    """Where values would be inserted into each sorted row, before or after their equals."""
    rows, values = call.inputs
    side = "left" if call.node.op == "LowerBound" else "right"
    return call.one("SearchSorted", {"sortedSequence": rows, "values": values}, side=side)
