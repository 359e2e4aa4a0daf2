"""Convolutions, matrix products and pooling; filters in the order of TensorFlow Lite become TensorFlow's."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from tfgl.ir.graph import DataType
from tfgl.keras.builder import Tensor

from .operator import Operator
from .registry import operator


def _padding(o: Operator) -> bytes:
    return b"VALID" if o.option("Padding") else b"SAME"


def _pair(o: Operator, name: str, default: int = 0) -> tuple[int, int]:
    """Two options of height and width, both from 1 on."""
    pair = tuple(int(o.option(name.format(side), default)) for side in ("H", "W"))
    if min(pair) < 1:
        raise o.malformed(f"{name.format('')} {list(pair)} must be positive")
    return pair[0], pair[1]


def _rank(o: Operator, x: Tensor, rank: int, what: str) -> Tensor:
    if x.rank != rank:
        raise o.malformed(f"its {what} has shape {list(x.shape)}, expected {rank} axes")
    return x


def _biased(o: Operator, x: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return x
    if bias.rank == 1:
        return o.b.bias_add(x, bias)
    return o.b.add_(x, bias)


@operator("CONV_2D")
def conv_2d(o: Operator) -> Tensor:
    """Filters are (out, height, width, in); fewer ``in`` than the input has are groups."""
    x, filters = _rank(o, o.x(0), 4, "input"), _rank(o, o.x(1), 4, "filter")
    out_channels, height, width, in_channels = filters.shape
    groups, rest = divmod(x.shape[3], in_channels) if x.shape[3] > 0 else (1, 0)
    if rest or groups < 1 or out_channels % groups:
        raise o.malformed(f"{x.shape[3]} channels do not fit filters of shape {list(filters.shape)}")
    weights = o.weights(1, (height, width, in_channels, out_channels), (1, 2, 3, 0))
    attrs: dict[str, Any] = {
        "strides": [1, *_pair(o, "Stride{}"), 1],
        "dilations": [1, *_pair(o, "Dilation{}Factor", 1), 1],
        "padding": _padding(o), "data_format": b"NHWC", "explicit_paddings": [],
    }  # fmt: skip
    if groups == 1:
        result = o.result("Conv2D", [x, weights], **attrs)
    else:
        shape = o.out().shape or ()
        parts = [
            o.b.add("Conv2D", [part, kernel], (*shape[:3], out_channels // groups), **attrs)
            for part, kernel in zip(o.b.split(x, groups, 3), o.b.split(weights, groups, 3), strict=True)
        ]
        result = o.b.concat(parts, 3)
    return o.activated(_biased(o, result, o.bias(2)))


@operator("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(o: Operator) -> Tensor:
    """Filters are (1, height, width, in * multiplier)."""
    x, filters = _rank(o, o.x(0), 4, "input"), _rank(o, o.x(1), 4, "filter")
    _, height, width, out_channels = filters.shape
    channels = x.shape[3]
    if channels < 1 or out_channels % channels:
        raise o.malformed(f"{channels} channels do not fit filters of shape {list(filters.shape)}")
    weights = o.weights(1, (height, width, channels, out_channels // channels), (0, 1, 2, 3))
    result = o.result(
        "DepthwiseConv2dNative", [x, weights], strides=[1, *_pair(o, "Stride{}"), 1],
        dilations=[1, *_pair(o, "Dilation{}Factor", 1), 1], padding=_padding(o), data_format=b"NHWC",
        explicit_paddings=[],
    )  # fmt: skip
    return o.activated(_biased(o, result, o.bias(2)))


@operator("CONV_3D")
def conv_3d(o: Operator) -> Tensor:
    """Filters are (depth, height, width, in, out), as TensorFlow's."""
    x, filters = _rank(o, o.x(0), 5, "input"), _rank(o, o.x(1), 5, "filter")
    strides, dilations = _volume(o, "Stride{}"), _volume(o, "Dilation{}Factor", 1)
    result = o.result(
        "Conv3D", [x, filters], strides=strides, dilations=dilations, padding=_padding(o), data_format=b"NDHWC"
    )
    return o.activated(_biased(o, result, o.bias(2)))


def _volume(o: Operator, name: str, default: int = 0) -> list[int]:
    return [1, *(int(o.option(name.format(side), default)) for side in "DHW"), 1]


def _transposed(
    o: Operator, x: Tensor, weights_at: int, sizes: Tensor, strides: Sequence[int], padding: bytes
) -> Tensor:
    """The gradient of a convolution by its input; filters (out, height, width, in) become (height, width, out, in)."""
    filters = _rank(o, o.x(weights_at), 4, "filter")
    out_channels, height, width, in_channels = filters.shape
    weights = o.weights(weights_at, (height, width, out_channels, in_channels), (1, 2, 0, 3))
    return o.result(
        "Conv2DBackpropInput", [sizes, weights, x], T=DataType(x.dtype), strides=[1, *strides, 1],
        dilations=[1, 1, 1, 1], padding=padding, data_format=b"NHWC", explicit_paddings=[],
    )  # fmt: skip


@operator("TRANSPOSE_CONV")
def transpose_conv(o: Operator) -> Tensor:
    """Inputs: the output's shape, filters, input, bias."""
    x = _rank(o, o.x(2), 4, "input")
    result = _transposed(o, x, 1, o.x(0), _pair(o, "Stride{}"), _padding(o))
    return o.activated(_biased(o, result, o.bias(3)))


@operator("custom:Convolution2DTransposeBias")
def convolution_2d_transpose_bias(o: Operator) -> Tensor:
    """MediaPipe's: input, filters, bias; padding (1: SAME, 2: VALID) and strides of width and height as int32."""
    options = o.custom_options()
    if len(options) < 12:
        raise o.malformed(f"its options have {len(options)} bytes, expected 12")
    padding, across, down = struct.unpack_from("<3i", options)
    x, filters = _rank(o, o.x(0), 4, "input"), _rank(o, o.x(1), 4, "filter")
    if padding not in (1, 2) or min(across, down) < 1:
        raise o.malformed(f"padding {padding} and strides {[down, across]} are not known")
    batch, height, width, _ = o.b.sizes(x)
    if not isinstance(height, int) or not isinstance(width, int):
        raise o.unsupported("the height and width of its input must be known")
    kernel = (filters.shape[1], filters.shape[2])
    extra = (0, 0) if padding == 1 else (max(kernel[0] - down, 0), max(kernel[1] - across, 0))
    sizes = o.b.shape_tensor([batch, height * down + extra[0], width * across + extra[1], filters.shape[0]])
    same = b"SAME" if padding == 1 else b"VALID"
    return _biased(o, _transposed(o, x, 1, sizes, (down, across), same), o.bias(2))


@operator("FULLY_CONNECTED")
def fully_connected(o: Operator) -> Tensor:
    """Weights are (units, in); the input becomes rows of ``in``, unless ``keep_num_dims`` keeps its axes."""
    b, x, weights = o.b, o.x(0), _rank(o, o.x(1), 2, "matrix of weights")
    if o.option("WeightsFormat"):
        raise o.unsupported("its weights are shuffled for a processor (SHUFFLED4x16INT8)")
    units, width = weights.shape
    matrix = o.weights(1, (width, units), (1, 0))
    keep = bool(o.option("KeepNumDims", False))
    rows = x if x.rank == 2 and x.shape[1] in (width, -1) else b.reshape(x, [-1, width])
    result = b.add(
        "MatMul", [rows, matrix], (rows.shape[0], units), transpose_a=False, transpose_b=False
    )
    result = o.activated(_biased(o, result, o.bias(2)))
    stated = o.out().shape
    if keep and x.rank != 2:
        return b.reshape(result, [*b.sizes(x)[:-1], units])
    if stated is not None and len(stated) != 2 and -1 not in stated:
        return b.reshape(result, list(stated))
    return result


@operator("BATCH_MATMUL")
def batch_matmul(o: Operator) -> Tensor:
    """Products of the last two axes, each side transposed or not."""
    x, y = o.x(0), o.x(1)
    adjoint = {"adj_x": bool(o.option("AdjX", False)), "adj_y": bool(o.option("AdjY", False))}
    return o.result("BatchMatMulV2", [x, y], **adjoint)


def _pooled(o: Operator, x: Tensor, op: str) -> Tensor:
    _rank(o, x, 4, "input")
    window = tuple(int(o.option(f"Filter{side}")) for side in ("Height", "Width"))
    if min(window) < 1:
        raise o.malformed(f"its window {list(window)} must be positive")
    return o.result(
        op, [x], ksize=[1, *window, 1], strides=[1, *_pair(o, "Stride{}"), 1], padding=_padding(o),
        data_format=b"NHWC",
    )  # fmt: skip


@operator("AVERAGE_POOL_2D")
def average_pool_2d(o: Operator) -> Tensor:
    """Means of windows, of what lies inside of the input."""
    return o.activated(_pooled(o, o.x(0), "AvgPool"))


@operator("MAX_POOL_2D")
def max_pool_2d(o: Operator) -> Tensor:
    """Largest values of windows."""
    return o.activated(_pooled(o, o.x(0), "MaxPool"))


@operator("L2_POOL_2D")
def l2_pool_2d(o: Operator) -> Tensor:
    """Roots of the means of squares of windows."""
    squares = o.b.unary("Square", o.x(0))
    return o.activated(o.b.unary("Sqrt", _pooled(o, squares, "AvgPool")))
