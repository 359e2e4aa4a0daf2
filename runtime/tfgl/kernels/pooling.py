"""AvgPool and MaxPool over height and width, channels last."""

from __future__ import annotations

from ..errors import InvalidArgumentError
from ..ir.shapes import pool2d_geometry
from ..ir.shapes.convolution import Extents, Pad, Rounding
from ..registry import kernel
from ..tensor import Shape, Tensor
from .convolution import empty
from .tiles import in_batches, in_parameters, window_parameters


@kernel("AvgPool")
def avg_pool(
    x: Tensor, *, filter_size: Extents, strides: Extents, pad: Pad, dim_rounding_mode: Rounding = None
) -> Tensor:
    """The mean of each window, padding left out."""
    return _pooled(x, filter_size, strides, pad, dim_rounding_mode, {})


@kernel("MaxPool")
def max_pool(
    x: Tensor, *, filter_size: Extents, strides: Extents, pad: Pad, dim_rounding_mode: Rounding = None
) -> Tensor:
    """The largest value of each window; NaN where one is in it."""
    return _pooled(x, filter_size, strides, pad, dim_rounding_mode, {"MAXIMUM": 1})


def _pooled(
    x: Tensor, filter_size: Extents, strides: Extents, pad: Pad, rounding: Rounding, defines: dict[str, object]
) -> Tensor:
    if x.dtype not in ("float32", "int32"):
        raise InvalidArgumentError(f"{x.engine.node} takes a float32 or int32 tensor, got {x.dtype}")
    geometry = pool2d_geometry(x.shape, filter_size, strides, pad, dim_rounding_mode=rounding)
    if 0 in geometry.out_shape:
        return empty(x, geometry.out_shape)
    # As TensorFlow.js has it, and its specs demand, whatever strides and padding.
    if geometry.filter_spatial == (1, 1) and geometry.in_shape == geometry.out_shape:
        return x.view(x.shape)

    def draw(part: Tensor, shape: Shape) -> Tensor:
        values = in_parameters(part) | window_parameters(geometry)
        return x.engine.emit("pooling", {"x": part}, shape, x.dtype, values, defines, layout="tiles", tiled=("x",))

    return in_batches(x, geometry.out_shape, draw)
