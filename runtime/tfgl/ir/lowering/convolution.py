"""Convolutions, plain, depthwise, transposed and fused; dilation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...errors import InvalidArgumentError
from .arrange import reshape, transpose
from .call import Call, Value
from .fusion import FUSED, run_fused
from .registry import lower
from .windows import is_channels_first, padding, spatial

_TO_LAST_3D, _TO_FIRST_3D = (0, 2, 3, 4, 1), (0, 4, 1, 2, 3)


def _conv_attrs(call: Call) -> tuple[dict[str, Any], bool]:
    """The attributes that every 2-D convolution kernel shares, and whether channels come first."""
    first = is_channels_first(call)
    return {
        "strides": spatial(call, "strides", 4, first),
        "pad": padding(call, first),
        "dataFormat": "NCHW" if first else "NHWC",
        "dilations": spatial(call, "dilations", 4, first, default=1),
    }, first


def _expect_rank(x: Value, rank: int, what: str) -> None:
    if len(x.shape) != rank:
        raise InvalidArgumentError(f"{what} must have rank {rank}, got shape {list(x.shape)}")


@lower("Conv2D", inputs=2, kernels=("Conv2D", "SplitV", "Concat"))
def conv2d(call: Call) -> Value:
    """x (batch, height, width, in) or NCHW, filter (height, width, in / groups, out)."""
    x, filter_ = call.inputs
    attrs, first = _conv_attrs(call)
    return _conv2d(call, x, filter_, attrs, first)


def _conv2d(call: Call, x: Value, filter_: Value, attrs: dict[str, Any], first: bool) -> Value:
    _expect_rank(x, 4, "the input")
    _expect_rank(filter_, 4, "the filter")
    axis = 1 if first else 3
    channels, depth, out = x.shape[axis], filter_.shape[2], filter_.shape[3]
    if channels == depth or depth == 0 or channels % depth or out % max(channels // max(depth, 1), 1):
        return call.one("Conv2D", {"x": x, "filter": filter_}, **attrs)
    groups = channels // depth
    xs = call.many("SplitV", {"x": x}, numOrSizeSplits=[depth] * groups, axis=axis)
    filters = call.many("SplitV", {"x": filter_}, numOrSizeSplits=[out // groups] * groups, axis=3)
    parts = [call.one("Conv2D", {"x": a, "filter": b}, **attrs) for a, b in zip(xs, filters, strict=True)]
    return call.one("Concat", {"tensors": parts}, axis=axis)


@lower("_FusedConv2D", inputs=(2, None), kernels=("FusedConv2D", "Conv2D", "SplitV", "Concat", *FUSED))
def fused_conv2d(call: Call) -> Value:
    """Conv2D, then what ``fused_ops`` lists."""
    x, filter_ = call.inputs[:2]
    attrs, first = _conv_attrs(call)
    _expect_rank(x, 4, "the input")
    _expect_rank(filter_, 4, "the filter")
    grouped = x.shape[1 if first else 3] != filter_.shape[2]
    return run_fused(
        call,
        plain=lambda: _conv2d(call, x, filter_, attrs, first),
        fused=lambda inputs, more: call.one("FusedConv2D", {"x": x, "filter": filter_, **inputs}, **attrs, **more),
        one_kernel=not (first or grouped),
        channels_first=first,
    )


@lower("DepthwiseConv2dNative", "DepthwiseConv2d", inputs=2, kernels=("DepthwiseConv2dNative",))
def depthwise_conv2d(call: Call) -> Value:
    """filter (height, width, in, multiplier)."""
    attrs, _ = _conv_attrs(call)
    x, filter_ = call.inputs
    return call.one("DepthwiseConv2dNative", {"x": x, "filter": filter_}, **attrs)


@lower(
    "FusedDepthwiseConv2dNative",
    "_FusedDepthwiseConv2dNative",
    inputs=(2, None),
    kernels=("FusedDepthwiseConv2D", "DepthwiseConv2dNative", *FUSED),
)
def fused_depthwise_conv2d(call: Call) -> Value:
    """DepthwiseConv2dNative, then what ``fused_ops`` lists."""
    attrs, first = _conv_attrs(call)
    tensors = {"x": call.inputs[0], "filter": call.inputs[1]}
    return run_fused(
        call,
        plain=lambda: call.one("DepthwiseConv2dNative", tensors, **attrs),
        fused=lambda inputs, more: call.one("FusedDepthwiseConv2D", {**tensors, **inputs}, **attrs, **more),
        one_kernel=not first,
        channels_first=first,
    )


@lower("Conv1D", inputs=2, kernels=("Conv2D", "Reshape", "Transpose"))
def conv1d(call: Call) -> Value:
    """x (batch, width, in), filter (width, in, out): a convolution of images of height 1."""
    x, filter_ = call.inputs
    _expect_rank(x, 3, "the input")
    _expect_rank(filter_, 3, "the filter")
    first = is_channels_first(call, "NWC")
    if first:
        x = transpose(call, x, (0, 2, 1))
    batch, width, channels = x.shape
    result = call.one(
        "Conv2D",
        {
            "x": reshape(call, x, (batch, 1, width, channels)),
            "filter": reshape(call, filter_, (1, *filter_.shape)),
        },
        strides=[1, call.integer("stride", 1)],
        pad=padding(call, False),
        dataFormat="NHWC",
        dilations=[1, call.integer("dilation", 1)],
    )
    result = reshape(call, result, (result.shape[0], *result.shape[2:]))
    return transpose(call, result, (0, 2, 1)) if first else result


@lower(
    "Conv2DBackpropInput",
    "Conv2dTranspose",
    inputs=3,
    kernels=("Conv2DBackpropInput", "Reshape", "PadV2", "Slice"),
    host=(0,),
)
def conv2d_backprop_input(call: Call) -> Value:
    """The transposed convolution. The kernel has no dilations: a dilated filter gets its zeros here."""
    attrs, first = _conv_attrs(call)
    shape, filter_, dy = call.host_integers(0), call.inputs[1], call.inputs[2]
    _expect_rank(dy, 4, "out_backprop")
    _expect_rank(filter_, 4, "the filter")
    if len(shape) == 2:
        # Height and width alone; batch and channels are those of the other inputs.
        batch, channels = dy.shape[0], filter_.shape[2]
        shape = [batch, channels, *shape] if first else [batch, *shape, channels]
    filter_ = _dilated(call, filter_, attrs.pop("dilations"))
    return call.one("Conv2DBackpropInput", {"dy": dy, "filter": filter_}, inputShape=shape, **attrs)


def _dilated(call: Call, filter_: Value, dilations: Sequence[int]) -> Value:
    """A filter with ``dilation - 1`` zeros between its taps."""
    for axis, dilation in enumerate(dilations):
        taps = filter_.shape[axis]
        if dilation == 1 or taps <= 1:
            continue
        before, after = tuple(filter_.shape[:axis]), tuple(filter_.shape[axis + 1 :])
        outer, inner = math.prod(before), math.prod(after)
        spread = reshape(call, filter_, (outer * taps, 1, inner))
        spread = call.one("PadV2", {"x": spread}, paddings=[[0, 0], [0, dilation - 1], [0, 0]], constantValue=0)
        spread = reshape(call, spread, (*before, taps * dilation, *after))
        extent = [*before, (taps - 1) * dilation + 1, *after]
        filter_ = call.one("Slice", {"x": spread}, begin=[0] * len(extent), size=extent)
    return filter_


@lower("Conv3D", inputs=2, kernels=("Conv3D", "Transpose"))
def conv3d(call: Call) -> Value:
    """x (batch, depth, height, width, in); NCDHW is transposed, because the kernel computes channels last."""
    x, filter_ = call.inputs
    first = is_channels_first(call, "NDHWC")
    if first:
        x = transpose(call, x, _TO_LAST_3D)
    result = call.one(
        "Conv3D",
        {"x": x, "filter": filter_},
        strides=spatial(call, "strides", 5, first),
        pad=padding(call, first),
        dataFormat="NDHWC",
        dilations=spatial(call, "dilations", 5, first, default=1),
    )
    return transpose(call, result, _TO_FIRST_3D) if first else result


@lower(
    "Conv3DBackpropInputV2",
    inputs=3,
    kernels=("Conv3DBackpropInputV2", "Transpose", "Reshape", "PadV2", "Slice"),
    host=(0,),
)
def conv3d_backprop_input(call: Call) -> Value:
    """The transposed 3-D convolution. The kernel has no dilations: a dilated filter gets its zeros here."""
    shape, filter_, dy = call.host_integers(0), call.inputs[1], call.inputs[2]
    first = is_channels_first(call, "NDHWC")
    filter_ = _dilated(call, filter_, spatial(call, "dilations", 5, first, default=1))
    if len(shape) != 5:
        raise InvalidArgumentError(f"input_sizes must be 5 numbers, got {shape}")
    if first:
        dy = transpose(call, dy, _TO_LAST_3D)
        shape = [shape[axis] for axis in _TO_LAST_3D]
    result = call.one(
        "Conv3DBackpropInputV2",
        {"dy": dy, "filter": filter_},
        strides=spatial(call, "strides", 5, first),
        pad=padding(call, first),
        inputShape=shape,
    )
    return transpose(call, result, _TO_FIRST_3D) if first else result


@lower("Dilation2D", inputs=2, kernels=("Dilation2D",))
def dilation2d(call: Call) -> Value:
    """Greyscale dilation; filter (height, width, channels)."""
    x, filter_ = call.inputs
    return call.one(
        "Dilation2D",
        {"x": x, "filter": filter_},
        strides=spatial(call, "strides", 4, False),
        pad=padding(call, False),
        dilations=spatial(call, "rates", 4, False, default=1),
    )
