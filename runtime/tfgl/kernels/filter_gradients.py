"""Gradients of convolutions by their filters, and of depthwise convolutions by both.

The filter's gradient at one of its places is the product of what that place read and of the result's gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..ir.shapes import Convolution, conv2d_geometry, conv3d_geometry
from ..ir.shapes.convolution import Extents, Pad, Rounding
from ..registry import kernel, run_one
from ..tensor import Shape, Tensor
from .convolution import check_dtypes, zeros
from .elementwise import emit_elementwise
from .tiles import TO_CHANNELS_LAST, transposed
from .windows import check_gradient, flat_parameters, windows

# Elements that the windows of several places of a filter may take at a time.
_MOST = 1 << 25


@kernel("Conv2DBackpropFilter")
def conv2d_backprop_filter(
    x: Tensor,
    dy: Tensor,
    *,
    strides: Extents,
    pad: Pad,
    filter_shape: Sequence[int],
    data_format: str = "NHWC",
    dim_rounding_mode: Rounding = None,
) -> Tensor:
    """The gradient of Conv2D by its filter, of ``filter_shape``."""
    geometry = conv2d_geometry(
        x.shape, filter_shape, strides, pad, dim_rounding_mode=dim_rounding_mode, data_format=data_format
    )
    return _of_filter(x, dy, geometry, tuple(filter_shape))


@kernel("Conv3DBackpropFilterV2")
def conv3d_backprop_filter(x: Tensor, dy: Tensor, *, strides: Extents, pad: Pad, filter_shape: Sequence[int]) -> Tensor:
    """The gradient of Conv3D by its filter, of ``filter_shape``."""
    return _of_filter(x, dy, conv3d_geometry(x.shape, filter_shape, strides, pad), tuple(filter_shape))


def _of_filter(x: Tensor, dy: Tensor, geometry: Convolution, shape: Shape) -> Tensor:
    check_dtypes(x, dy)
    check_gradient(dy, geometry)
    if 0 in shape or not dy.size:
        return zeros(x, shape)
    if not geometry.channels_last:
        x, dy = transposed(x, TO_CHANNELS_LAST), transposed(dy, TO_CHANNELS_LAST)
    places = dy.size // geometry.out_channels
    results = dy.view((1, places, geometry.out_channels))
    parts = [
        run_one("BatchMatMul", {"a": read, "b": results}, {"transposeA": True, "transposeB": False})
        for read in _read_by_taps(x, geometry)
    ]
    joined = parts[0] if len(parts) == 1 else run_one("Concat", {"tensors": parts}, {"axis": 0})
    return joined.view(shape)


def _read_by_taps(x: Tensor, geometry: Convolution) -> list[Tensor]:
    """What the filter's places read of ``x``, as tensors (places of the filter, windows, channels)."""
    taps = math.prod(geometry.filter_spatial)
    size = geometry.batch * math.prod(geometry.out_spatial) * geometry.in_channels
    count = min(taps, max(1, _MOST // size))
    return [windows(x, geometry, first, min(count, taps - first)) for first in range(0, taps, count)]


@kernel("DepthwiseConv2dNativeBackpropFilter")
def depthwise_conv2d_backprop_filter(
    x: Tensor,
    dy: Tensor,
    *,
    strides: Extents,
    pad: Pad,
    filter_shape: Sequence[int],
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
) -> Tensor:
    """The gradient of DepthwiseConv2dNative by its filter, of ``filter_shape``."""
    shape = tuple(filter_shape)
    geometry = _depthwise(x.shape, shape, strides, pad, dilations, dim_rounding_mode)
    check_dtypes(x, dy)
    check_gradient(dy, geometry)
    if 0 in shape or not dy.size:
        return zeros(x, shape)
    channels, multiplier = shape[2:]
    places = dy.size // geometry.out_channels
    results = dy.view((places, channels, multiplier) if multiplier > 1 else (places, channels))
    parts = []
    for read in _read_by_taps(x, geometry):
        each = read.view((*read.shape, 1)) if multiplier > 1 else read
        product = emit_elementwise([each, results], "a * b", x.dtype)
        parts.append(run_one("Sum", {"x": product}, {"axis": [1]}))
    joined = parts[0] if len(parts) == 1 else run_one("Concat", {"tensors": parts}, {"axis": 0})
    return joined.view(shape)


@kernel("DepthwiseConv2dNativeBackpropInput")
def depthwise_conv2d_backprop_input(
    dy: Tensor,
    filter: Tensor,
    *,
    strides: Extents,
    pad: Pad,
    input_shape: Sequence[int],
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
) -> Tensor:
    """The gradient of DepthwiseConv2dNative by its input, of ``input_shape``."""
    shape = tuple(input_shape)
    geometry = _depthwise(shape, filter.shape, strides, pad, dilations, dim_rounding_mode)
    check_dtypes(dy, filter)
    check_gradient(dy, geometry)
    if 0 in shape or not dy.size:
        return zeros(dy, shape)
    values = flat_parameters(geometry, geometry.in_channels) | {"multiplier": filter.shape[3]}
    inputs = {"dy": dy, "filter": filter}
    return dy.engine.emit("window_gradient", inputs, shape, dy.dtype, values, {"FILTER": 1})


def _depthwise(
    in_shape: Shape, filter_shape: Shape, strides: Extents, pad: Pad, dilations: Extents | None, rounding: Rounding
) -> Convolution:
    return conv2d_geometry(
        in_shape, filter_shape, strides, pad, dilations=dilations, dim_rounding_mode=rounding, depthwise=True
    )
