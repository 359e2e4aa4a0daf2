"""Sparse tensors: their indices on the host, sums of segments by shaders."""

from __future__ import annotations

import numpy as np

from ..ir.reference.sparse import segment_count, sparse_fill_empty_rows, sparse_reshape
from ..registry import kernel, run_kernel
from ..tensor import Tensor
from .indexing import as_int
from .scatter import scatter_rows


@kernel("SparseFillEmptyRows", runs_on="host")
def fill_empty_rows(indices: Tensor, values: Tensor, dense_shape: Tensor, default_value: Tensor) -> list[Tensor]:
    """[indices, values, which rows were empty, where each value went]; see the reference."""
    results = sparse_fill_empty_rows(indices.numpy(), values.numpy(), dense_shape.numpy(), default_value.numpy())
    return [indices.engine.tensor(result) for result in results]


@kernel("SparseReshape", runs_on="host")
def reshape(input_indices: Tensor, input_shape: Tensor, new_shape: Tensor) -> list[Tensor]:
    """[indices, shape] of the sparse tensor under another dense shape."""
    results = sparse_reshape(input_indices.numpy(), input_shape.numpy(), new_shape.numpy())
    return [input_indices.engine.tensor(result) for result in results]


def _summed(data: Tensor, indices: Tensor, segment_ids: Tensor) -> Tensor:
    indices, segment_ids = as_int(indices), as_int(segment_ids)
    count = segment_count(data.shape, indices.numpy(), segment_ids.numpy())
    rows = run_kernel("GatherV2", {"x": data, "indices": indices}, {"axis": 0})
    assert isinstance(rows, Tensor)
    inner = int(np.prod(data.shape[1:], dtype=np.int64))
    return scatter_rows(segment_ids, rows, (count, *data.shape[1:]), inner)


@kernel("SparseSegmentSum")
def segment_sum(data: Tensor, indices: Tensor, segment_ids: Tensor) -> Tensor:
    """Sums of the rows ``indices`` of ``data`` by rising segment ids; the last id tells how many there are."""
    return _summed(data, indices, segment_ids)


@kernel("SparseSegmentMean")
def segment_mean(data: Tensor, indices: Tensor, segment_ids: Tensor) -> Tensor:
    """Means of the rows ``indices`` of ``data`` by rising segment ids; an empty segment is 0."""
    sums = _summed(data, indices, segment_ids)
    counts = np.bincount(as_int(segment_ids).numpy(), minlength=sums.shape[0])
    divisors = np.maximum(counts, 1).reshape(-1, *(1,) * (data.ndim - 1))
    divided = run_kernel("RealDiv", {"a": sums, "b": sums.engine.tensor(divisors, dtype=sums.dtype)})
    assert isinstance(divided, Tensor)
    return divided
