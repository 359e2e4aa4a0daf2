"""Layer normalization: one draw for each row's mean and variance, one for the values; one for short rows."""

from __future__ import annotations

from tfgl_shaders.assembly import ParameterValue

from ..registry import kernel
from ..tensor import Tensor

# Steps of all fragments together up to which a draw is saved by computing mean and variance in each of them.
_SHORT = 1 << 17


@kernel("_LayerNormalization")
def layer_normalization(x: Tensor, scale: Tensor, offset: Tensor, *, epsilon: float) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset over the last axis, whose extent divides by 4.

    ``scale`` and ``offset`` are vectors (Ba, Kiros and Hinton 2016).
    """
    if not x.size:
        return x
    emit = x.engine.emit
    steps = x.shape[-1] // 4
    rows = x.size // x.shape[-1]
    values: dict[str, ParameterValue] = {"row_steps": steps, "row_epsilon": float(epsilon)}
    inputs = {"x": x, "scale": scale, "offset": offset}
    if x.size // 4 * steps <= _SHORT:
        return emit("layer_norm", inputs, x.shape, "float32", values)
    # One texel a row: the last axis has the four lanes.
    measured = emit("layer_norm_rows", {"x": x}, (rows, 4), "float32", values)
    return emit("layer_norm", {**inputs, "rows": measured}, x.shape, "float32", values, {"ROWS": 1})
