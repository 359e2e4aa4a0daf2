"""Crossed features, which TensorFlow.js lacks."""

from __future__ import annotations

from ...errors import UnsupportedOpError
from ..reference.crossing import Column, cross, sparse_column
from .call import Call, Value
from .registry import lower


@lower("SparseCross", inputs=(1, None), host=(0, -1))
def sparse_cross(call: Call) -> list[Value]:
    """Indices, numbers and shape of the hashed combinations of sparse and dense columns."""
    if not call.flag("hashed_output"):
        raise UnsupportedOpError(f"{call.node}: only hashed_output is supported")
    count = call.integer("N", 0)
    sparse = [call.data(i) for i in range(min(3 * count, len(call.inputs)))]
    columns: list[Column] = []
    for indices, values, shape in zip(sparse[:count], sparse[count : 2 * count], sparse[2 * count :], strict=True):
        columns.append(sparse_column(indices, values, int(shape.reshape(-1)[0])))
    for i in range(3 * count, len(call.inputs)):
        columns.append(call.data(i).tolist())
    results = cross(columns, call.integer("num_buckets", 0), call.integer("hash_key", 0))
    return [call.constant(result) for result in results]
