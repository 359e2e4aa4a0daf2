"""Convolutions and their gradients, tap by tap: a tap is one position in the filter.

Each tap multiplies only what lies inside the input, so that padding never meets an infinite weight.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from ..shapes import (
    Convolution,
    conv2d_geometry,
    conv2d_transpose_geometry,
    conv3d_geometry,
    conv3d_transpose_geometry,
)
from ..shapes.convolution import Extents, Pad, Rounding
from .conversion import floating, numbers
from .elementwise import activate
from .registry import Array, reference

Slices = tuple[slice, ...]


def taps(geometry: Convolution) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
    """(position in the filter, outputs it reaches, inputs they read), channels last, batch whole.

    >>> from tfgl.ir.shapes import conv2d_geometry
    >>> [at for at, _, _ in taps(conv2d_geometry((1, 1, 3, 1), (1, 2, 1, 1), 1, "valid"))]
    [(0, 0), (0, 1)]
    """
    axes = []
    for k, size in enumerate(geometry.filter_spatial):
        step, extent, out = geometry.strides[k], geometry.in_spatial[k], geometry.out_spatial[k]
        reach = []
        for at in range(size):
            shift = at * geometry.dilations[k] - geometry.pads_before[k]
            first = max(0, -(shift // step))
            last = min(out, (extent - 1 - shift) // step + 1)
            if first < last:
                start = first * step + shift
                reach.append((at, slice(first, last), slice(start, (last - 1) * step + shift + 1, step)))
        axes.append(reach)
    whole = slice(None)
    for combination in itertools.product(*axes):
        at, outs, ins = zip(*combination, strict=True)
        yield tuple(at), (whole, *outs), (whole, *ins)


def channels_to_end(x: Array, geometry: Convolution) -> Array:
    """``x`` with channels last, whatever the data format; a view."""
    return x if geometry.channels_last else np.moveaxis(x, 1, -1)


def channels_back(x: Array, geometry: Convolution) -> Array:
    """The reverse of `channels_to_end`."""
    return x if geometry.channels_last else np.moveaxis(x, -1, 1)


def _forward(x: Array, weights: Array, geometry: Convolution) -> Array:
    x, weights = numbers(x, weights)
    x = channels_to_end(x, geometry)
    out = np.zeros((geometry.batch, *geometry.out_spatial, geometry.out_channels), x.dtype)
    for at, outs, ins in taps(geometry):
        out[outs] += np.matmul(x[ins], weights[at])
    return channels_back(out, geometry)


def _of_input(dy: Array, weights: Array, geometry: Convolution) -> Array:
    dy, weights = numbers(dy, weights)
    dy = channels_to_end(dy, geometry)
    out = np.zeros((geometry.batch, *geometry.in_spatial, geometry.in_channels), dy.dtype)
    for at, outs, ins in taps(geometry):
        out[ins] += np.matmul(dy[outs], weights[at].T)
    return channels_back(out, geometry)


def _of_filter(x: Array, dy: Array, filter_shape: Sequence[int], geometry: Convolution) -> Array:
    x, dy = numbers(x, dy)
    x, dy = channels_to_end(x, geometry), channels_to_end(dy, geometry)
    out = np.zeros(tuple(filter_shape), x.dtype)
    for at, outs, ins in taps(geometry):
        left, right = x[ins], dy[outs]
        out[at] = left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])
    return out


@reference("Conv2D")
def conv2d(
    x: Array,
    filter: Array,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NHWC",
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
) -> Array:
    """The convolution (a cross-correlation) of ``x`` with ``filter`` (height, width, in, out)."""
    geometry = conv2d_geometry(
        x.shape,
        filter.shape,
        strides,
        pad,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
        data_format=data_format,
    )
    return _forward(x, filter, geometry)


@reference("DepthwiseConv2dNative")
def depthwise_conv2d(
    x: Array,
    filter: Array,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NHWC",
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
) -> Array:
    """Each channel's own filters (height, width, in, multiplier); results ordered channel by channel."""
    geometry = conv2d_geometry(
        x.shape,
        filter.shape,
        strides,
        pad,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
        data_format=data_format,
        depthwise=True,
    )
    x, filter = numbers(x, filter)
    x = channels_to_end(x, geometry)
    out = np.zeros((geometry.batch, *geometry.out_spatial, *filter.shape[2:]), x.dtype)
    for at, outs, ins in taps(geometry):
        out[outs] += x[ins][..., None] * filter[at]
    return channels_back(out.reshape(*out.shape[:3], geometry.out_channels), geometry)


def _fused(
    result: Array,
    data_format: str,
    bias: Array | None,
    weights: Array | None,
    activation: str | None,
    alpha: float | None,
) -> Array:
    if data_format == "NCHW":
        bias, weights = (
            v.reshape(-1, 1, 1) if v is not None and v.ndim == 1 and v.shape[0] != 1 else v for v in (bias, weights)
        )
    if bias is not None:
        result = result + bias
    return activate(floating(result), activation, weights, alpha)


@reference("FusedConv2D")
def fused_conv2d(
    x: Array,
    filter: Array,
    bias: Array | None = None,
    prelu_activation_weights: Array | None = None,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NHWC",
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
    activation: str | None = None,
    leakyrelu_alpha: float | None = None,
) -> Array:
    """Conv2D, then a bias, then an activation; vectors lie along the channels."""
    result = conv2d(
        x,
        filter,
        strides=strides,
        pad=pad,
        data_format=data_format,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
    )
    return _fused(result, data_format, bias, prelu_activation_weights, activation, leakyrelu_alpha)


@reference("FusedDepthwiseConv2D")
def fused_depthwise_conv2d(
    x: Array,
    filter: Array,
    bias: Array | None = None,
    prelu_activation_weights: Array | None = None,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NHWC",
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
    activation: str | None = None,
    leakyrelu_alpha: float | None = None,
) -> Array:
    """DepthwiseConv2dNative, then a bias, then an activation."""
    result = depthwise_conv2d(
        x,
        filter,
        strides=strides,
        pad=pad,
        data_format=data_format,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
    )
    return _fused(result, data_format, bias, prelu_activation_weights, activation, leakyrelu_alpha)


@reference("Conv2DBackpropInput")
def conv2d_backprop_input(
    dy: Array,
    filter: Array,
    *,
    strides: Extents,
    pad: Pad,
    input_shape: Sequence[int],
    data_format: str = "NHWC",
    dim_rounding_mode: Rounding = None,
    dilations: Extents | None = 1,
) -> Array:
    """The gradient of Conv2D with respect to its input: a transposed convolution."""
    geometry = conv2d_transpose_geometry(
        dy.shape,
        filter.shape,
        input_shape,
        strides,
        pad,
        dim_rounding_mode=dim_rounding_mode,
        data_format=data_format,
        dilations=dilations,
    )
    return _of_input(dy, filter, geometry)


@reference("Conv2DBackpropFilter")
def conv2d_backprop_filter(
    x: Array,
    dy: Array,
    *,
    strides: Extents,
    pad: Pad,
    filter_shape: Sequence[int],
    data_format: str = "NHWC",
    dim_rounding_mode: Rounding = None,
) -> Array:
    """The gradient of Conv2D with respect to its filter."""
    geometry = conv2d_geometry(
        x.shape, filter_shape, strides, pad, dim_rounding_mode=dim_rounding_mode, data_format=data_format
    )
    return _of_filter(x, dy, filter_shape, geometry)


@reference("DepthwiseConv2dNativeBackpropInput")
def depthwise_conv2d_backprop_input(
    dy: Array,
    filter: Array,
    *,
    strides: Extents,
    pad: Pad,
    input_shape: Sequence[int],
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
) -> Array:
    """The gradient of DepthwiseConv2dNative (NHWC) with respect to its input."""
    geometry = conv2d_geometry(
        input_shape,
        filter.shape,
        strides,
        pad,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
        depthwise=True,
    )
    dy = dy.reshape(*dy.shape[:3], *filter.shape[2:])
    out = np.zeros(tuple(input_shape))
    for at, outs, ins in taps(geometry):
        out[ins] += (dy[outs] * filter[at]).sum(axis=-1)
    return out


@reference("DepthwiseConv2dNativeBackpropFilter")
def depthwise_conv2d_backprop_filter(
    x: Array,
    dy: Array,
    *,
    strides: Extents,
    pad: Pad,
    filter_shape: Sequence[int],
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
) -> Array:
    """The gradient of DepthwiseConv2dNative (NHWC) with respect to its filter."""
    geometry = conv2d_geometry(
        x.shape,
        filter_shape,
        strides,
        pad,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
        depthwise=True,
    )
    dy = dy.reshape(*dy.shape[:3], *filter_shape[2:])
    out = np.zeros(tuple(filter_shape))
    for at, outs, ins in taps(geometry):
        out[at] = (x[ins][..., None] * dy[outs]).sum(axis=(0, 1, 2))
    return out


@reference("Conv3D")
def conv3d(
    x: Array,
    filter: Array,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NDHWC",
    dilations: Extents | None = 1,
) -> Array:
    """The convolution of volumes with ``filter`` (depth, height, width, in, out)."""
    geometry = conv3d_geometry(x.shape, filter.shape, strides, pad, dilations=dilations, data_format=data_format)
    return _forward(x, filter, geometry)


@reference("Conv3DBackpropInputV2")
def conv3d_backprop_input(dy: Array, filter: Array, *, strides: Extents, pad: Pad, input_shape: Sequence[int]) -> Array:
    """The gradient of Conv3D (NDHWC) with respect to its input."""
    geometry = conv3d_transpose_geometry(dy.shape, filter.shape, input_shape, strides, pad)
    return _of_input(dy, filter, geometry)


@reference("Conv3DBackpropFilterV2")
def conv3d_backprop_filter(x: Array, dy: Array, *, strides: Extents, pad: Pad, filter_shape: Sequence[int]) -> Array:
    """The gradient of Conv3D (NDHWC) with respect to its filter."""
    return _of_filter(x, dy, filter_shape, conv3d_geometry(x.shape, filter_shape, strides, pad))
