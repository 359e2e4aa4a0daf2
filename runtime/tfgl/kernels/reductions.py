"""Kernels that reduce axes: sums, means, products, extremes, their indices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tfgl_shaders.assembly import ParameterValue

from ..dtypes import DType
from ..errors import InvalidArgumentError
from ..ir.shapes.axes import normalize_axes, normalize_axis, reduced_shape, strides_of
from ..registry import kernel
from ..tensor import Shape, Tensor, tiling
from .unary import cast_to

Axes = int | Sequence[int] | None

_MAX_RANK = 6
# Steps that one fragment takes at most before a reduction is split into parts.
_LONGEST = 2048
_INT_LOWEST, _INT_HIGHEST = "int(0x80000000u)", "0x7FFFFFFF"
_FLOAT_LOWEST, _FLOAT_HIGHEST = "NEGATIVE_INFINITY", "POSITIVE_INFINITY"


@dataclass(frozen=True, slots=True)
class Reduction:
    """What a reduction starts from, by kind of texel, and how it goes on."""

    floats: str
    ints: str
    combine: str
    empty_float: float
    empty_int: int

    def defines(self, kind: str) -> dict[str, object]:
        """Text for the shader: IDENTITY and COMBINE."""
        return {"IDENTITY": self.floats if kind == "float" else self.ints, "COMBINE(x, y)": self.combine}


SUM = Reduction("0.0", "0", "(x + y)", 0.0, 0)
PRODUCT = Reduction("1.0", "1", "(x * y)", 1.0, 1)
LARGEST = Reduction(_FLOAT_LOWEST, _INT_LOWEST, "larger(x, y)", -math.inf, -(2**31))
SMALLEST = Reduction(_FLOAT_HIGHEST, _INT_HIGHEST, "smaller(x, y)", math.inf, 2**31 - 1)


def reduce(
    x: Tensor, axes: Sequence[int], rule: Reduction, shape: Shape, dtype: DType, divisor: float = 1.0
) -> Tensor:
    """``x`` reduced over ``axes`` (from the front) into ``shape``; float results divided by ``divisor``.

    ``x`` has the kind of ``dtype`` already.
    """
    count = math.prod(x.shape[axis] for axis in axes)
    if math.prod(shape) == 0:
        return x.engine.emit("fill", {}, shape, dtype, {"fill_value": 0})
    if count == 0:
        value: ParameterValue = rule.empty_int
        if x.kind == "float":
            value = rule.empty_float / divisor if divisor else math.nan
        return x.engine.emit("fill", {}, shape, dtype, {"fill_value": value})
    if count == 1 and divisor == 1.0:
        return x.view(shape, dtype)
    if x.is_tiled and not x.is_flat and x.ndim == 4 and set(axes) == {1, 2} and x.shape[3] % 4 == 0:
        return _reduce_tiles(x, rule, shape, dtype, divisor)
    kept, reduced = _merged(x.shape, axes)
    return _reduce_flat(x, kept, reduced, rule, shape, dtype, divisor)


def _merged(shape: Shape, axes: Sequence[int]) -> tuple[list[list[int]], list[list[int]]]:
    """Extents and strides of the kept and of the reduced axes, neighbours of one sort merged."""
    kept: list[list[int]] = []
    reduced: list[list[int]] = []
    before: list[list[int]] | None = None
    for axis, (extent, stride) in enumerate(zip(shape, strides_of(shape), strict=True)):
        if extent == 1:
            continue
        group = reduced if axis in axes else kept
        if group is before:
            group[-1] = [group[-1][0] * extent, stride]
        else:
            group.append([extent, stride])
        before = group
    return kept, reduced


def _reduce_flat(
    x: Tensor,
    kept: list[list[int]],
    reduced: list[list[int]],
    rule: Reduction,
    shape: Shape,
    dtype: DType,
    divisor: float,
) -> Tensor:
    outputs = math.prod(extent for extent, _ in kept)
    reduced = reduced or [[1, 1]]
    path = 0
    if reduced[-1][1] == 1 and reduced[-1][0] % 4 == 0:
        path, kept, reduced = 1, _in_texels(kept), _in_texels(reduced)
    elif kept and kept[-1][1] == 1 and kept[-1][0] % 4 == 0:
        path, kept, reduced = 2, _in_texels(kept), _in_texels(reduced)
    steps = math.prod(extent for extent, _ in reduced)
    parts = 1 if steps <= _LONGEST else math.ceil(steps / min(_LONGEST, max(256, math.isqrt(steps))))
    chunk = math.ceil(steps / parts)
    parts = math.ceil(steps / chunk)
    values: dict[str, ParameterValue] = {
        "kept_size": outputs // 4 if path == 2 else outputs,
        "kept_rank": len(kept),
        "reduced_size": steps,
        "reduced_rank": len(reduced),
        "chunk_size": chunk,
        "kept_dims": _column(kept, 0),
        "kept_strides": _column(kept, 1),
        "reduced_dims": _column(reduced, 0),
        "reduced_strides": _column(reduced, 1),
        "reduce_divisor": divisor if parts == 1 else 1.0,
    }
    out = shape if parts == 1 else (parts, outputs)
    defines = {**rule.defines(x.kind), "REDUCE_PATH": path}
    result = x.engine.emit("reduce", {"x": x}, out, dtype, values, defines)
    if parts == 1:
        return result
    return _reduce_flat(result, *_merged((parts, outputs), (0,)), rule, shape, dtype, divisor)


def _in_texels(axes: list[list[int]]) -> list[list[int]]:
    return [[extent // 4, 1] if stride == 1 else [extent, stride // 4] for extent, stride in axes]


def _column(axes: list[list[int]], which: int) -> tuple[int, ...]:
    values = [axis[which] for axis in axes]
    return (*values, *[1] * (_MAX_RANK - len(values)))


def _reduce_tiles(x: Tensor, rule: Reduction, shape: Shape, dtype: DType, divisor: float) -> Tensor:
    batch, height, width, channels = x.shape
    plan = tiling((batch, height, width, channels), x.engine.device.layers)
    lines = plan.bands if height * width <= _LONGEST else 1
    parts = math.ceil(plan.bands / lines)
    values: dict[str, ParameterValue] = {
        **plan.parameters("in"),
        "parts_count": parts,
        "chunk_size": lines,
        "reduce_divisor": divisor if parts == 1 else 1.0,
    }
    out = shape if parts == 1 else (batch, parts, channels)
    result = x.engine.emit("reduce_tiles", {"x": x}, out, dtype, values, rule.defines(x.kind), tiled=["x"])
    if parts == 1:
        return result
    return _reduce_flat(result, *_merged((batch, parts, channels), (1,)), rule, shape, dtype, divisor)


def _plan(x: Tensor, axis: Axes, keep_dims: bool) -> tuple[Shape, Shape]:
    axes = normalize_axes(axis, x.ndim)
    return axes, reduced_shape(x.shape, axes, keep_dims)


@kernel("Sum", complex_parts=True)
def sum_(x: Tensor, *, axis: Axes = None, keep_dims: bool = False) -> Tensor:
    """Sum over ``axis``; bools are counted in int32, int32 wraps."""
    axes, shape = _plan(x, axis, keep_dims)
    return reduce(x, axes, SUM, shape, "float32" if x.kind == "float" else "int32")


@kernel("Mean", complex_parts=True)
def mean(x: Tensor, *, axis: Axes = None, keep_dims: bool = False) -> Tensor:
    """Mean over ``axis``, float32; NaN over nothing."""
    axes, shape = _plan(x, axis, keep_dims)
    count = math.prod(x.shape[a] for a in axes)
    return reduce(cast_to(x, "float32"), axes, SUM, shape, "float32", float(count))


@kernel("Prod")
def prod(x: Tensor, *, axis: Axes = None, keep_dims: bool = False) -> Tensor:
    """Product over ``axis``; of bools in int32, int32 wraps."""
    axes, shape = _plan(x, axis, keep_dims)
    return reduce(x, axes, PRODUCT, shape, "float32" if x.kind == "float" else "int32")


@kernel("Max")
def max_(x: Tensor, *, reduction_indices: Axes = None, keep_dims: bool = False) -> Tensor:
    """Largest element over ``reduction_indices``; NaN when there is one."""
    axes, shape = _plan(x, reduction_indices, keep_dims)
    return reduce(x, axes, LARGEST, shape, x.dtype)


@kernel("Min")
def min_(x: Tensor, *, axis: Axes = None, keep_dims: bool = False) -> Tensor:
    """Smallest element over ``axis``; NaN when there is one."""
    axes, shape = _plan(x, axis, keep_dims)
    return reduce(x, axes, SMALLEST, shape, x.dtype)


@kernel("All")
def all_(x: Tensor, *, axis: Axes = None, keep_dims: bool = False) -> Tensor:
    """Whether every element over ``axis`` is true."""
    return _logic(x, axis, keep_dims, every=True)


@kernel("Any")
def any_(x: Tensor, *, axis: Axes = None, keep_dims: bool = False) -> Tensor:
    """Whether an element over ``axis`` is true."""
    return _logic(x, axis, keep_dims, every=False)


def _logic(x: Tensor, axis: Axes, keep_dims: bool, *, every: bool) -> Tensor:
    # On zeros and ones these are the minimum and the maximum, whose programs exist already.
    axes, shape = _plan(x, axis, keep_dims)
    if not math.prod(x.shape):
        return x.engine.emit("fill", {}, shape, "bool", {"fill_value": int(every)})
    return reduce(cast_to(x, "bool"), axes, SMALLEST if every else LARGEST, shape, "bool")


@kernel("ArgMax")
def arg_max(x: Tensor, *, axis: int = 0) -> Tensor:
    """Index of the largest element along ``axis``: the first of equal ones, never that of a NaN."""
    return _arg(x, axis, "(x > y)", _FLOAT_LOWEST, _INT_LOWEST)


@kernel("ArgMin")
def arg_min(x: Tensor, *, axis: int = 0) -> Tensor:
    """Index of the smallest element along ``axis``: the first of equal ones, never that of a NaN."""
    return _arg(x, axis, "(x < y)", _FLOAT_HIGHEST, _INT_HIGHEST)


def _arg(x: Tensor, axis: int | Sequence[int], better: str, float_worst: str, int_worst: str) -> Tensor:
    given = axis if isinstance(axis, Sequence) else (axis,)
    if len(given) != 1:
        raise InvalidArgumentError(f"ArgMax and ArgMin take one axis; got {list(given)}")
    shape = x.shape or (1,)
    at = normalize_axis(given[0], len(shape))
    out = (*shape[:at], *shape[at + 1 :]) if x.shape else ()
    size, inner, outputs = shape[at], math.prod(shape[at + 1 :]), math.prod(out)
    if outputs and not size:
        raise InvalidArgumentError(f"axis {given[0]} of shape {x.shape} is empty: it has no extreme")
    worst = float_worst if x.kind == "float" else int_worst
    defines: dict[str, object] = {"BETTER(x, y)": better, "WORST": worst}
    chunk = size if size <= _LONGEST else min(_LONGEST, max(256, math.isqrt(size)))
    parts = math.ceil(size / chunk) if size else 1
    values: dict[str, ParameterValue] = {
        "axis_size": size,
        "axis_inner": inner,
        "kept_size": outputs,
        "chunk_size": chunk,
        "steps_count": size,
    }
    emit = x.engine.emit
    result = emit("arg_reduce", {"x": x}, out if parts == 1 else (parts, *out), "int32", values, defines)
    defines = {**defines, "CANDIDATES": 1}
    while parts > 1:
        steps, chunk = parts, min(parts, _LONGEST)
        parts = math.ceil(steps / chunk)
        values = {**values, "chunk_size": chunk, "steps_count": steps}
        inputs = {"x": x, "candidates": result}
        result = emit("arg_reduce", inputs, out if parts == 1 else (parts, *out), "int32", values, defines)
    return result
