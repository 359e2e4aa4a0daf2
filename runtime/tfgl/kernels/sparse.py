"""Sparse tensors: their indices on the host, sums of segments by shaders."""

from __future__ import annotations

import numpy as np

from ..ir.reference.sparse import segment_count, sparse_fill_empty_rows, sparse_reshape
from ..registry import host_kernel, kernel, run_one
from ..tensor import Tensor
from .indexing import as_int
from .scatter import scatter_rows

host_kernel("SparseFillEmptyRows", sparse_fill_empty_rows)
host_kernel("SparseReshape", sparse_reshape)


def _summed(data: Tensor, indices: Tensor, segment_ids: Tensor) -> Tensor:
    indices, segment_ids = as_int(indices), as_int(segment_ids)
    count = segment_count(data.shape, indices.numpy(), segment_ids.numpy())
    rows = run_one("GatherV2", {"x": data, "indices": indices}, {"axis": 0})
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
    divided = run_one("RealDiv", {"a": sums, "b": sums.engine.tensor(divisors, dtype=sums.dtype)})
    return divided
