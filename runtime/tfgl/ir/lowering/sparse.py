"""Sparse tensors: empty rows, another dense shape, sums of segments."""

from __future__ import annotations

from .call import Call, Value
from .registry import lower


@lower("SparseFillEmptyRows", inputs=4, kernels=("SparseFillEmptyRows",))
def fill_empty_rows(call: Call) -> list[Value]:
    """Indices, values, which rows were empty, where each value went."""
    names = ("indices", "values", "denseShape", "defaultValue")
    return call.many("SparseFillEmptyRows", dict(zip(names, call.inputs, strict=True)))


@lower("SparseReshape", inputs=3, kernels=("SparseReshape",))
def sparse_reshape(call: Call) -> list[Value]:
    """Indices and shape under another dense shape."""
    names = ("inputIndices", "inputShape", "newShape")
    return call.many("SparseReshape", dict(zip(names, call.inputs, strict=True)))


@lower("SparseSegmentSum", inputs=3, kernels=("SparseSegmentSum",))
def segment_sum(call: Call) -> Value:
    """Sums of rows by segment."""
    return call.one("SparseSegmentSum", dict(zip(("data", "indices", "segmentIds"), call.inputs, strict=True)))


@lower("SparseSegmentMean", inputs=3, kernels=("SparseSegmentMean",))
def segment_mean(call: Call) -> Value:
    """Means of rows by segment."""
    return call.one("SparseSegmentMean", dict(zip(("data", "indices", "segmentIds"), call.inputs, strict=True)))
