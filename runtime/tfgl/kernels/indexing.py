"""Gathers, one-hot rows, sorted search, diagonals and bands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tfgl_shaders.assembly import ParameterValue

from ..dtypes import check_dtype, upcast
from ..errors import InvalidArgumentError
from ..ir.shapes import gather, gather_nd_shape, one_hot_shape, shape_text, strides_of
from ..registry import kernel, run_one
from ..tensor import Shape, Tensor

_MAX_DEPTH = 8


@kernel("GatherV2", complex_parts=True, strings=True)
def gather_v2(x: Tensor, indices: Tensor, *, axis: int = 0, batch_dims: int = 0) -> Tensor:
    """Elements of ``x`` along ``axis`` at ``indices``; the first ``batch_dims`` axes are shared.

    An index out of range is an InvalidArgumentError where the host knows the
    indices, else it gives zeros, as in the WebGL backend of TensorFlow.js.
    """
    plan = gather(x.shape, indices.shape, axis, batch_dims)
    indices = as_int(indices)
    known = indices.host
    if known is not None:
        wrong = known[(known < 0) | (known >= plan.extent)]
        if wrong.size:
            raise InvalidArgumentError(f"GatherV2: the index value {wrong[0]} is not in [0, {plan.extent - 1}]")
    return _gathered(x, indices, plan.shape, plan.outer, plan.extent, plan.count, plan.inner)


@kernel("GatherNd", complex_parts=True, strings=True)
def gather_nd(params: Tensor, indices: Tensor) -> Tensor:
    """Slices of ``params`` at the index tuples along the last axis of ``indices``."""
    shape = gather_nd_shape(params.shape, indices.shape)
    depth = indices.shape[-1]
    count = math.prod(indices.shape[:-1])
    rows = flat_rows(indices, count, params.shape[:depth], params.shape)
    return _gathered(params, rows, shape, 1, math.prod(params.shape[:depth]), count, math.prod(params.shape[depth:]))


def _gathered(x: Tensor, indices: Tensor, shape: Shape, outer: int, extent: int, count: int, inner: int) -> Tensor:
    if not x.size:
        return x.engine.emit("fill", {}, shape, x.dtype, {"fill_value": 0.0 if x.kind == "float" else 0})
    aligned = inner % 4 == 0
    parameters: dict[str, ParameterValue] = {
        "gather_outer": outer,
        "gather_extent": extent,
        "gather_count": count,
        "gather_inner": inner // 4 if aligned else inner,
    }
    defines = {"ALIGNED": ""} if aligned else {}
    return x.engine.emit("gather", {"x": x, "indices": indices}, shape, x.dtype, parameters, defines)


def as_int(indices: Tensor) -> Tensor:
    """``indices`` as integers: a float tensor is cast, a string or complex one refused."""
    if indices.dtype in ("string", "complex64"):
        raise InvalidArgumentError(f"{indices.engine.node}: indices must be int32, got {indices.dtype}")
    if indices.kind == "int":
        return indices
    cast = run_one("Cast", {"x": indices}, {"dtype": "int32"})
    return cast


def flat_rows(indices: Tensor, count: int, extents: Sequence[int], whole: Sequence[int]) -> Tensor:
    """Row numbers, int32 (count,), of ``count`` index tuples into axes of ``extents``; -1 for one out of range.

    Single indices come back as they are. Raises InvalidArgumentError that names
    ``whole``, the shape indexed, for an index out of range that the host knows.
    """
    indices = as_int(indices)
    depth = len(extents)
    known = indices.host
    if known is not None and depth:
        tuples = known.reshape(count, depth)
        wrong = np.flatnonzero(((tuples < 0) | (tuples >= np.array(extents))).any(axis=1))
        if wrong.size:
            index = shape_text(tuples[wrong[0]].tolist())
            raise InvalidArgumentError(f"Invalid indices: {index} does not index into {shape_text(whole)}")
    if depth == 1:
        return indices.view((count,), "int32")
    if depth == 0:
        return indices.engine.emit("fill", {}, (count,), "int32", {"fill_value": 0})
    if depth > _MAX_DEPTH:
        raise InvalidArgumentError(f"an index names up to {_MAX_DEPTH} axes; got {depth}")
    parameters: dict[str, ParameterValue] = {
        "index_depth": depth,
        "index_extents": (*extents, *(1,) * (_MAX_DEPTH - depth)),
        "index_strides": (*strides_of(extents), *(0,) * (_MAX_DEPTH - depth)),
    }
    return indices.engine.emit("flat_rows", {"indices": indices}, (count,), "int32", parameters)


@kernel("OneHot")
def one_hot(
    indices: Tensor, *, depth: int, on_value: float = 1, off_value: float = 0, dtype: str = "int32"
) -> Tensor:
    """``on_value`` at each index along a new last axis; an index out of range gives a row of ``off_value``."""
    shape = one_hot_shape(indices.shape, depth)
    kind = check_dtype(dtype)
    if kind in ("string", "complex64"):
        raise InvalidArgumentError(f"Error in oneHot: dtype must be float32, int32 or bool, got {dtype}")
    number = float if kind == "float32" else int if kind == "int32" else bool
    parameters: dict[str, ParameterValue] = {
        "depth_size": int(depth),
        "on_value": number(on_value),
        "off_value": number(off_value),
    }
    return indices.engine.emit("one_hot", {"indices": as_int(indices)}, shape, kind, parameters)


@kernel("SearchSorted")
def search_sorted(sorted_sequence: Tensor, values: Tensor, *, side: str = "left") -> Tensor:
    """Where ``values`` belong in the sorted last axis of ``sorted_sequence``, int32 of the shape of ``values``.

    ``side`` "left" is before, "right" after equal elements. Other axes agree.
    """
    if side not in ("left", "right"):
        raise InvalidArgumentError(f"SearchSorted: side must be left or right, got {side!r}")
    if not values.ndim or not sorted_sequence.ndim:
        raise InvalidArgumentError("SearchSorted takes inputs of rank 1 or higher")
    if sorted_sequence.shape[:-1] != values.shape[:-1]:
        raise InvalidArgumentError(
            "SearchSorted: the leading extents of sortedSequence and values must agree, got "
            f"{shape_text(sorted_sequence.shape)} and {shape_text(values.shape)}"
        )
    dtype = upcast(sorted_sequence.dtype, values.dtype)
    engine = values.engine
    if not sorted_sequence.size:
        return engine.emit("fill", {}, values.shape, "int32", {"fill_value": 0})
    parameters: dict[str, ParameterValue] = {
        "row_size": sorted_sequence.shape[-1],
        "value_count": values.shape[-1],
        "search_right": int(side == "right"),
    }
    inputs: dict[str, Tensor] = {}
    for name, tensor in (("row", sorted_sequence), ("values", values)):
        cast = tensor if tensor.dtype == dtype else run_one("Cast", {"x": tensor}, {"dtype": dtype})
        inputs[name] = cast
    return engine.emit("search_sorted", inputs, values.shape, "int32", parameters)


@kernel("LowerBound")
def lower_bound(sorted_sequence: Tensor, values: Tensor) -> Tensor:
    """SearchSorted on the left side."""
    return search_sorted(sorted_sequence, values, side="left")


@kernel("UpperBound")
def upper_bound(sorted_sequence: Tensor, values: Tensor) -> Tensor:
    """SearchSorted on the right side."""
    return search_sorted(sorted_sequence, values, side="right")


@kernel("Diag", complex_parts=True)
def diag(x: Tensor) -> Tensor:
    """A tensor of twice the rank with ``x`` on its diagonal."""
    return x.engine.emit("diagonal", {"x": x}, (*x.shape, *x.shape), x.dtype, {"diagonal_size": x.size})


@kernel("MatrixBandPart", complex_parts=True)
def matrix_band_part(input: Tensor, num_lower: Tensor, num_upper: Tensor, *, keep_dims: bool = False) -> Tensor:
    """``input`` with zeros outside a band of its last two axes.

    ``num_lower`` and ``num_upper`` diagonals below and above the main one stay;
    a negative number keeps all of them.
    """
    if input.ndim < 2:
        raise InvalidArgumentError(f"bandPart(): Rank must be at least 2, got {input.ndim}.")
    if num_lower.size != 1 or num_upper.size != 1:
        raise InvalidArgumentError("bandPart(): numLower and numUpper must be scalars")
    inputs = {"x": input, "lower": as_int(num_lower), "upper": as_int(num_upper)}
    parameters: dict[str, ParameterValue] = {"band_rows": input.shape[-2], "band_columns": input.shape[-1]}
    return input.engine.emit("band", inputs, input.shape, input.dtype, parameters)
