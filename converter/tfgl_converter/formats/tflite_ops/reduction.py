"""Reductions, scans, largest values and segments."""

from __future__ import annotations

from collections.abc import Sequence

from tfgl.ir.graph import DataType
from tfgl.keras.builder import Tensor

from .operator import Operator
from .registry import Rule, operator

_REDUCTIONS = {
    "SUM": "Sum", "MEAN": "Mean", "REDUCE_PROD": "Prod", "REDUCE_MAX": "Max", "REDUCE_MIN": "Min",
    "REDUCE_ANY": "Any", "REDUCE_ALL": "All",
}  # fmt: skip


def _reduction(op: str) -> Rule:
    def rule(o: Operator) -> Tensor:
        axes = o.x(1)
        return o.result(op, [o.x(0), axes], keep_dims=bool(o.option("KeepDims", False)), Tidx=DataType(axes.dtype))

    return rule


for _name, _op in _REDUCTIONS.items():
    operator(_name)(_reduction(_op))


@operator("ARG_MAX", "ARG_MIN")
def arg_max(o: Operator) -> Tensor:
    """The index of the largest or smallest value along an axis."""
    axis, dtype = o.x(1), DataType(o.out().dtype)
    op = "ArgMax" if o.name == "ARG_MAX" else "ArgMin"
    return o.result(op, [o.x(0), axis], output_type=dtype, Tidx=DataType(axis.dtype))


@operator("TOPK_V2")
def top_k(o: Operator) -> Sequence[Tensor]:
    """The k largest values along the last axis, and where they are."""
    return o.results("TopKV2", [o.x(0), o.x(1)], sorted=True)


@operator("CUMSUM")
def cumsum(o: Operator) -> Tensor:
    """Running sums."""
    axis = o.x(1)
    return o.result(
        "Cumsum", [o.x(0), axis], exclusive=bool(o.option("Exclusive", False)),
        reverse=bool(o.option("Reverse", False)), Tidx=DataType(axis.dtype),
    )  # fmt: skip


@operator("SEGMENT_SUM")
def segment_sum(o: Operator) -> Tensor:
    """Sums of rows of equal id."""
    ids = o.x(1)
    return o.result("SegmentSum", [o.x(0), ids], Tindices=DataType(ids.dtype))


@operator("UNSORTED_SEGMENT_SUM", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_MIN", "UNSORTED_SEGMENT_PROD")
def unsorted_segment(o: Operator) -> Tensor:
    """Sums and the like of rows of equal id, of as many segments as the third input says."""
    ids, count = o.x(1), o.x(2)
    op = f"UnsortedSegment{o.name.rpartition('_')[2].capitalize()}"
    return o.result(
        op, [o.x(0), ids, count], Tindices=DataType(ids.dtype), Tnumsegments=DataType(count.dtype)
    )
