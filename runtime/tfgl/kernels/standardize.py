"""Values of mean 0 and variance 1 along axes: what layer normalisation does before it scales and shifts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfgl_shaders.assembly import alignment

from ..ir.shapes.axes import normalize_axes
from ..registry import kernel, run_one
from ..tensor import Tensor
from .unary import cast_to

# Longer rows are shared among fragments: by the reductions.
_LONGEST = 4096


@kernel("_Standardize")
def standardize(x: Tensor, *, axes: Sequence[int], epsilon: float) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon), both over ``axes``: float32."""
    x = cast_to(x, "float32")
    where = sorted(normalize_axes(list(axes), x.ndim))
    size = math.prod(x.shape[axis] for axis in where)
    if not x.size:
        return x
    if tuple(where) != tuple(range(x.ndim - len(where), x.ndim)) or size > _LONGEST:
        return _spelt_out(x, where, epsilon)
    values = {"row_size": size, "epsilon": float(epsilon)}
    defines = alignment(size)
    # One texel a row: the last axis has the four lanes.
    rows = x.engine.emit("standardize_rows", {"x": x}, (x.size // size, 4), "float32", values, defines)
    return x.engine.emit(
        "standardize_values", {"x": x, "rows": rows}, x.shape, "float32", {"row_size": size}, defines
    )


def _spelt_out(x: Tensor, axes: Sequence[int], epsilon: float) -> Tensor:
    def mean(values: Tensor) -> Tensor:
        return run_one("Mean", {"x": values}, {"axis": list(axes), "keepDims": True})

    middle = mean(x)
    spread = mean(run_one("SquaredDifference", {"a": x, "b": middle}))
    factor = run_one("Rsqrt", {"x": run_one("Add", {"a": spread, "b": x.engine.tensor(epsilon, dtype="float32")})})
    return run_one("Multiply", {"a": run_one("Sub", {"a": x, "b": middle}), "b": factor})
