"""Softmax and its logarithm: one draw for each row's maximum and sum, one for the values; one for short rows."""

from __future__ import annotations

import math

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes.axes import normalize_axis
from ..registry import kernel
from ..tensor import Tensor
from .unary import cast_to

# Steps that one fragment takes at most before a row is split into parts.
_LONGEST = 2048
# Steps of all fragments together up to which a draw is saved by computing maximum and sum in each of them.
_SHORT = 1 << 16


@kernel("Softmax")
def softmax(logits: Tensor, *, dim: int = -1) -> Tensor:
    """exp(logits) along ``dim``, divided by its sum; NaN where a row holds NaN, +inf or nothing but -inf."""
    return _softmax(logits, dim, logarithm=False)


@kernel("LogSoftmax")
def log_softmax(logits: Tensor, *, axis: int = -1) -> Tensor:
    """Logarithm of the softmax along ``axis``, without the rounding of computing it after the softmax."""
    return _softmax(logits, axis, logarithm=True)


def _softmax(logits: Tensor, dim: int, *, logarithm: bool) -> Tensor:
    if not logits.ndim:
        raise InvalidArgumentError("logits must have at least one axis, got a scalar")
    x = cast_to(logits, "float32")
    engine, shape = x.engine, x.shape
    if not x.size:
        return x
    axis = normalize_axis(dim, x.ndim)
    size, inner = shape[axis], math.prod(shape[axis + 1 :])
    rows = x.size // size
    aligned = inner == 1 and size % 4 == 0
    steps = math.ceil(size / 4)
    chunk = steps if steps <= _LONGEST else max(256, math.isqrt(steps))
    parts = math.ceil(steps / chunk)
    values: dict[str, ParameterValue] = {
        "row_count": rows,
        "row_inner": inner,
        "row_size": size,
        "row_steps": steps,
        "row_parts": parts,
        "chunk_size": chunk,
    }
    defines: dict[str, object] = {"ALIGNED": ""} if aligned else {}
    if not logarithm and steps * x.size <= _SHORT * (4 if aligned else 1):
        return engine.emit("softmax", {"x": x}, shape, "float32", values, defines)
    # One texel a row: the last axis has the four lanes.
    stats = engine.emit("softmax_rows", {"x": x}, (parts * rows, 4), "float32", values, defines)
    if parts > 1:
        stats = engine.emit("softmax_rows", {"x": stats}, (rows, 4), "float32", values, {"PARTS": 1})
    defines["SUM_LANE"] = "zzzz" if logarithm else "yyyy"
    if logarithm:
        defines["LOGARITHM"] = 1
    return engine.emit("softmax_values", {"x": x, "rows": stats}, shape, "float32", values, defines)
