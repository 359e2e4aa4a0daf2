"""Ragged tensors: rows are counted on the host, values move on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InvalidArgumentError
from ..ir.reference.ragged import check_ragged_rank, default_row, dense_plan, gather_plan, ragged_range
from ..registry import host_kernel, kernel, run_one
from ..tensor import Tensor
from .indexing import as_int

host_kernel("RaggedRange", ragged_range)


def _rows(values: Tensor, rows: np.ndarray) -> Tensor:
    gathered = run_one("GatherV2", {"x": values, "indices": values.engine.tensor(rows, dtype="int32")}, {"axis": 0})
    return gathered


@kernel("RaggedGather")
def gather(
    params_nested_splits: Sequence[Tensor],
    params_dense_values: Tensor,
    indices: Tensor,
    *,
    output_ragged_rank: int = 0,
) -> list[Tensor]:
    """[*row splits, values] of the rows ``indices``."""
    if not params_dense_values.ndim:
        raise InvalidArgumentError("params.rank must be nonzero")
    splits = [as_int(split).numpy() for split in params_nested_splits]
    out, rows = gather_plan(splits, params_dense_values.shape[0], as_int(indices).numpy())
    check_ragged_rank(len(out), output_ragged_rank)
    return [*map(params_dense_values.engine.tensor, out), _rows(params_dense_values, rows)]


@kernel("RaggedTensorToTensor")
def to_dense(
    shape: Tensor,
    values: Tensor,
    default_value: Tensor,
    row_partition_tensors: Sequence[Tensor],
    *,
    row_partition_types: Sequence[str],
) -> Tensor:
    """The dense tensor of a ragged one, filled up with ``default_value``."""
    if not values.ndim:
        raise InvalidArgumentError("the values of a ragged tensor have at least one axis")
    partitions = [as_int(partition).numpy() for partition in row_partition_tensors]
    extents, sources = dense_plan(as_int(shape).numpy(), values.shape, partitions, row_partition_types)
    row = default_row(default_value.numpy(), values.shape[1:])[None]
    filled = run_one("Concat", {"tensors": [values, values.engine.tensor(row, dtype=values.dtype)]}, {"axis": 0})
    return _rows(filled, np.where(sources < 0, values.shape[0], sources)).view(extents)
