"""Greyscale dilation and its gradients."""

from __future__ import annotations

import math

import numpy as np

from ..ir.shapes import Convolution, dilation2d_geometry
from ..ir.shapes.convolution import Extents, Pad
from ..registry import kernel, run_one
from ..tensor import Shape, Tensor
from .convolution import check_dtypes, zeros
from .elementwise import emit_elementwise
from .packing import Matrices, packed
from .tiles import dilation_parameters, in_batches, in_parameters, window_parameters
from .windows import check_gradient, flat_parameters

# Numbers that are not above it count for nothing, as in TensorFlow.
_LOWEST = {"float": "uintBitsToFloat(0xFF7FFFFFu)", "int": "int(0x80000000u)"}


@kernel("Dilation2D")
def dilation2d(x: Tensor, filter: Tensor, *, strides: Extents, pad: Pad, dilations: Extents | None = 1) -> Tensor:
    """The largest of ``x`` + ``filter`` (height, width, channels) in each window, channel by channel."""
    geometry = _geometry(x, filter, strides, pad, dilations)
    if 0 in geometry.out_shape:
        return zeros(x, geometry.out_shape)
    channels = geometry.in_channels
    taps = Matrices(filter, math.prod(geometry.filter_spatial), channels, channels, 1, (1,), (0,))
    weight = packed(taps, pad_rows=False, pad_columns=True)

    def draw(part: Tensor, shape: Shape) -> Tensor:
        values = in_parameters(part) | window_parameters(geometry) | dilation_parameters(geometry)
        inputs = {"x": part, "filter": weight}
        defines = {"LOWEST": _LOWEST[x.kind]}
        return x.engine.emit("dilation", inputs, shape, x.dtype, values, defines, layout="tiles", tiled=("x",))

    return in_batches(x, geometry.out_shape, draw)


@kernel("Dilation2DBackpropInput")
def dilation2d_backprop_input(
    x: Tensor, filter: Tensor, dy: Tensor, *, strides: Extents, pad: Pad, dilations: Extents | None = 1
) -> Tensor:
    """The gradient of Dilation2D by ``x``: each window gives its ``dy`` to its first largest element."""
    geometry = _geometry(x, filter, strides, pad, dilations)
    check_gradient(dy, geometry)
    if 0 in geometry.in_shape or 0 in geometry.out_shape:
        return zeros(dy, geometry.in_shape)
    inputs = {"dy": dy, "winners": _winning_taps(x, filter, geometry)}
    values = flat_parameters(geometry, geometry.in_channels)
    return x.engine.emit("window_gradient", inputs, x.shape, dy.dtype, values, {"TAPS": 1})


@kernel("Dilation2DBackpropFilter")
def dilation2d_backprop_filter(
    x: Tensor, filter: Tensor, dy: Tensor, *, strides: Extents, pad: Pad, dilations: Extents | None = 1
) -> Tensor:
    """The gradient of Dilation2D by ``filter``: each window gives its ``dy`` to the place of its largest element."""
    geometry = _geometry(x, filter, strides, pad, dilations)
    check_gradient(dy, geometry)
    if 0 in filter.shape or 0 in geometry.out_shape:
        return zeros(dy, filter.shape)
    taps, channels = math.prod(geometry.filter_spatial), geometry.in_channels
    windows = (dy.size // channels, channels)
    number = x.engine.tensor(np.arange(taps, dtype=np.int32).reshape(taps, 1, 1))
    won = _winning_taps(x, filter, geometry).view(windows)
    # A product with 0 would pass NaN on.
    expression = "mix(vec4(0.0), a, equal(b, c))" if dy.kind == "float" else "a * ivec4(equal(b, c))"
    given = emit_elementwise([dy.view(windows), won, number], expression, dy.dtype)
    total = run_one("Sum", {"x": given}, {"axis": [1]})
    return total.view(filter.shape)


def _geometry(x: Tensor, filter: Tensor, strides: Extents, pad: Pad, dilations: Extents | None) -> Convolution:
    check_dtypes(x, filter)
    return dilation2d_geometry(x.shape, filter.shape, strides, pad, dilations=dilations)


def _winning_taps(x: Tensor, filter: Tensor, geometry: Convolution) -> Tensor:
    """The place in each window, int32, of the first largest element; -1 for none."""
    values = flat_parameters(geometry, geometry.in_channels)
    defines = {"TAPS": 1, "LOWEST": _LOWEST[x.kind]}
    return x.engine.emit("winners", {"x": x, "filter": filter}, geometry.out_shape, "int32", values, defines)
