"""Scatters and counts: each output row finds the updates that are its own, so results do not depend on timing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes import scatter_nd_dims, segment_shape, sparse_to_dense_count
from ..registry import kernel, run_kernel
from ..tensor import Shape, Tensor
from .indexing import as_int, flat_rows
from .rearrange import broadcast_to

# Rows of updates times elements of the output, up to which looking through all of them beats sorting.
_MAX_COMPARISONS = 1 << 22
_FEW_ROWS = 64
_MAX_ROWS = 4096


@kernel("ScatterNd", complex_parts=True)
def scatter_nd(indices: Tensor, updates: Tensor, *, shape: Sequence[int]) -> Tensor:
    """Zeros of ``shape`` with ``updates`` added at ``indices``; duplicates add up in their order."""
    whole = tuple(int(n) for n in shape)
    depth, count, inner = scatter_nd_dims(indices.shape, updates.shape, whole)
    rows = flat_rows(indices, count, whole[:depth], whole)
    return scatter_rows(rows, updates, whole, inner)


@kernel("TensorScatterUpdate", complex_parts=True, strings=True)
def tensor_scatter_update(tensor: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """``tensor`` with ``updates`` put at ``indices``; of duplicates the last stays."""
    if updates.dtype != tensor.dtype:
        raise InvalidArgumentError(f"TensorScatterUpdate: tensor is {tensor.dtype}, updates are {updates.dtype}")
    depth, count, inner = scatter_nd_dims(indices.shape, updates.shape, tensor.shape)
    rows = flat_rows(indices, count, tensor.shape[:depth], tensor.shape)
    return scatter_rows(rows, updates, tensor.shape, inner, tensor)


@kernel("SparseToDense", complex_parts=True, strings=True)
def sparse_to_dense(
    sparse_indices: Tensor, sparse_values: Tensor, default_value: Tensor, *, output_shape: Sequence[int]
) -> Tensor:
    """``default_value`` of ``output_shape`` with ``sparse_values``, or the one there is, at ``sparse_indices``.

    Of duplicate indices the last counts.
    """
    shape = tuple(int(n) for n in output_shape)
    count = sparse_to_dense_count(sparse_indices.shape, sparse_values.shape, default_value.shape, shape)
    if default_value.dtype != sparse_values.dtype:
        raise InvalidArgumentError(
            f"SparseToDense: the values are {sparse_values.dtype}, the default value is {default_value.dtype}"
        )
    rows = flat_rows(sparse_indices, count, shape, shape)
    values = broadcast_to(sparse_values, shape=(count,))
    return scatter_rows(rows, values, shape, 1, broadcast_to(default_value, shape=shape))


@kernel("UnsortedSegmentSum", complex_parts=True)
def unsorted_segment_sum(x: Tensor, segment_ids: Tensor, *, num_segments: int) -> Tensor:
    """Sums of the slices of ``x`` with the same id; an id that is not in [0, ``num_segments``) counts nowhere."""
    inner = segment_shape(x.shape, segment_ids.shape, num_segments)
    if x.dtype == "bool":
        raise InvalidArgumentError("UnsortedSegmentSum: x must be float32 or int32, got bool")
    rows = as_int(segment_ids).view((segment_ids.size,), "int32")
    return scatter_rows(rows, x, (int(num_segments), *inner), math.prod(inner))


def scatter_rows(rows: Tensor, updates: Tensor, shape: Shape, inner: int, tensor: Tensor | None = None) -> Tensor:
    """Updates at ``rows``, int32 (count,), of an output of ``shape`` with rows of ``inner`` elements.

    Rows that are not in the output are left out. Without ``tensor`` duplicates
    add up in their order (bools: any); with it, of the output's shape, the last
    one replaces what it has.
    """
    engine, count = updates.engine, rows.size
    if not count or not updates.size:
        if tensor is not None:
            return tensor.view(shape)
        zero = 0.0 if updates.kind == "float" else 0
        return engine.emit("fill", {}, shape, updates.dtype, {"fill_value": zero})
    aligned = inner % 4 == 0
    parameters: dict[str, ParameterValue] = {
        "scatter_count": count,
        "scatter_inner": inner // 4 if aligned else inner,
    }
    defines: dict[str, object] = {"ALIGNED": ""} if aligned else {}
    inputs = {"updates": updates}
    if tensor is not None:
        inputs["tensor"] = tensor
        defines["OVERWRITE"] = ""
    elif updates.dtype == "bool":
        defines["ANY"] = ""
    if _is_small(count, shape):
        return engine.emit("scatter_loop", {"rows": rows, **inputs}, shape, updates.dtype, parameters, defines)
    # Equal row numbers keep their order there, which makes sums and the last update the same each time.
    ordered = run_kernel("TopK", {"x": rows}, {"k": count, "sorted": True})
    assert isinstance(ordered, list)
    keys, places = ordered
    inputs |= {"keys": keys, "places": places}
    return engine.emit("scatter_sorted", inputs, shape, updates.dtype, parameters, defines)


def _is_small(count: int, shape: Shape) -> bool:
    size = 1
    for extent in shape:
        size *= extent
    return count <= _FEW_ROWS or (count <= _MAX_ROWS and count * size <= _MAX_COMPARISONS)


@kernel("Bincount")
def bincount(x: Tensor, weights: Tensor, *, size: int) -> Tensor:
    """How often (or with what total weight) each of 0 to ``size`` - 1 occurs in ``x``, in the dtype of ``weights``."""
    return _counted(x.view((x.size,)), weights, size, False)


@kernel("DenseBincount")
def dense_bincount(x: Tensor, weights: Tensor, *, size: int, binary_output: bool = False) -> Tensor:
    """Bincount of a vector, or of each row of a matrix; ``binary_output`` only tells whether."""
    if x.ndim not in (1, 2):
        raise InvalidArgumentError(f"Error in denseBincount: input must be at most rank 2, but got rank {x.ndim}.")
    return _counted(x, weights, size, binary_output)


def _counted(x: Tensor, weights: Tensor, size: int, binary: bool) -> Tensor:
    if size < 0:
        raise InvalidArgumentError(f"size must be non-negative, but got {size}.")
    if weights.dtype not in ("float32", "int32"):
        raise InvalidArgumentError(f"weights must be float32 or int32, got {weights.dtype}")
    if weights.size and weights.shape != x.shape:
        raise InvalidArgumentError(
            f"weights must have the shape of x, {x.shape}, or be empty, got {weights.shape}"
        )
    x = as_int(x)
    if x.host is not None and (x.host < 0).any():
        raise InvalidArgumentError("Input x must be non-negative!")
    engine = x.engine
    shape = (*x.shape[:-1], size)
    bins = x.view((x.size,), "int32")
    if x.ndim == 2 and x.size and size:
        values: dict[str, ParameterValue] = {"bin_count": size, "line_size": x.shape[1]}
        bins = engine.emit("bin_rows", {"x": x}, (x.size,), "int32", values)
    updates, before = weights, None
    if binary or not weights.size:
        one: float | int = 1.0 if weights.kind == "float" else 1
        updates = engine.emit("fill", {}, (x.size,), weights.dtype, {"fill_value": one})
    if binary:
        before = engine.emit("fill", {}, shape, weights.dtype, {"fill_value": 0 * one})
    return scatter_rows(bins, updates, shape, 1, before)
