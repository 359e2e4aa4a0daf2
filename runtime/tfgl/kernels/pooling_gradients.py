"""Gradients of the pools, over images and volumes."""

from __future__ import annotations

import math

from ..errors import InvalidArgumentError
from ..ir.shapes import Convolution, pool2d_geometry, pool3d_geometry
from ..ir.shapes.convolution import Extents, Pad, Rounding
from ..registry import kernel
from ..tensor import Tensor
from .convolution import zeros
from .pooling import check_numbers, winners
from .windows import check_gradient, flat_parameters


@kernel("AvgPoolGrad")
def avg_pool_grad(dy: Tensor, input: Tensor, *, filter_size: Extents, strides: Extents, pad: Pad) -> Tensor:
    """The gradient of AvgPool by its ``input``: each window shares its ``dy`` among its elements inside.

    With pairs of explicit padding the share is that of a window without padding, as the original's specs ask.
    """
    geometry = pool2d_geometry(input.shape, filter_size, strides, pad)
    divisor = 0 if isinstance(pad, (str, int)) else math.prod(geometry.filter_spatial)
    return _gradient(dy, input, geometry, largest=False, divisor=divisor)


@kernel("MaxPoolGrad")
def max_pool_grad(
    dy: Tensor,
    input: Tensor,
    output: Tensor,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
) -> Tensor:
    """The gradient of MaxPool by its ``input``: each window gives its ``dy`` to its first largest element."""
    geometry = pool2d_geometry(input.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode)
    return _gradient(dy, input, geometry, largest=True)


@kernel("AvgPool3DGrad")
def avg_pool3d_grad(
    dy: Tensor,
    input: Tensor,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
) -> Tensor:
    """The gradient of AvgPool3D by its ``input``."""
    geometry = pool3d_geometry(input.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode)
    return _gradient(dy, input, geometry, largest=False)


@kernel("MaxPool3DGrad")
def max_pool3d_grad(
    dy: Tensor,
    input: Tensor,
    output: Tensor,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
) -> Tensor:
    """The gradient of MaxPool3D by its ``input``."""
    geometry = pool3d_geometry(input.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode)
    return _gradient(dy, input, geometry, largest=True)


def _gradient(dy: Tensor, x: Tensor, geometry: Convolution, *, largest: bool, divisor: int = 0) -> Tensor:
    check_numbers(x)
    if dy.dtype != "float32":
        raise InvalidArgumentError(f"{dy.engine.node}: dy must be float32, got {dy.dtype}")
    check_gradient(dy, geometry)
    if 0 in x.shape or not dy.size:
        return zeros(dy, x.shape)
    inputs = {"dy": dy}
    if largest:
        inputs["winners"] = winners(x, geometry)
    values = flat_parameters(geometry, geometry.in_channels) | {"divisor": divisor}
    defines = {"WINNERS": 1} if largest else {}
    return dy.engine.emit("window_gradient", inputs, x.shape, "float32", values, defines)
