"""Convolutions: plain, depthwise and separable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ModelFormatError
from ...ir.graph import DataType
from ..builder import Builder, Tensor
from ..call import Call
from ..registry import Weight, layer
from .pooling import padding_of, window_size

_KERNEL, _BIAS = Weight("kernel"), Weight("bias", when="use_bias")
_DEPTHWISE, _POINTWISE = Weight("depthwise_kernel"), Weight("pointwise_kernel")


def window_attributes(
    strides: Sequence[int], padding: str, dilations: Sequence[int], channels_last: bytes = b"NHWC"
) -> dict[str, Any]:
    """The attributes of a convolution whose channels come last.

    >>> window_attributes((2, 2), "same", (1, 1))["padding"]
    b'SAME'
    """
    return {
        "strides": [1, *strides, 1], "padding": padding.upper().encode(), "dilations": [1, *dilations, 1],
        "data_format": channels_last,
    }  # fmt: skip


def convolve(
    b: Builder, x: Tensor, kernel: Tensor, strides: Sequence[int], padding: str, dilations: Sequence[int], op: str
) -> Tensor:
    """Conv2D, Conv3D or DepthwiseConv2dNative of channels-last data; kernel (*window, in, out or multiplier)."""
    count = x.rank - 2
    window = kernel.shape[:count]
    space = [
        window_size(size, w, s, padding, d)
        for size, w, s, d in zip(x.shape[1:-1], window, strides, dilations, strict=True)
    ]
    if 0 in space:
        raise ModelFormatError(f"a window of {list(window)} does not fit into shape {list(x.shape)}")
    out = kernel.shape[-1] * (kernel.shape[-2] if op.startswith("Depthwise") else 1)
    attrs = window_attributes(strides, padding, dilations, b"NDHWC" if count == 3 else b"NHWC")
    return b.add(op, [x, kernel], [x.shape[0], *space, out], **attrs)


class _Windows:
    """Strides, dilations and padding of a layer over ``count`` spatial axes."""

    def __init__(self, c: Call, count: int, *paddings: str) -> None:
        self.strides = c.integers("strides", count, 1)
        self.dilations = c.integers("dilation_rate", count, 1)
        if min(*self.strides, *self.dilations, 1) < 1:
            raise ModelFormatError(f"{c}: strides and dilation_rate must be positive")
        self.padding = padding_of(c, *paddings) if paddings else padding_of(c)


def _causal(c: Call, x: Tensor, windows: _Windows, taps: int) -> Tensor:
    """x with zeros before it where the padding is causal, which then is valid."""
    if windows.padding != "causal":
        return x
    windows.padding = "valid"
    return c.b.pad(x, [[0, 0], [(taps - 1) * windows.dilations[0], 0], [0, 0]])


def _finished(c: Call, x: Tensor) -> Tensor:
    """Bias and activation of channels-last data, and back to the layer's own format."""
    if c.has("bias"):
        x = c.b.bias_add(x, c.weight("bias", (x.shape[-1],)))
    if isinstance(c.get("activation", "linear"), str) and c.get("activation", "linear") not in _ALONG_LAST:
        # Elementwise: before the transposition, where it can join the convolution.
        return c.from_last(c.activate(x))
    return c.activate(c.from_last(x))


_ALONG_LAST = frozenset({"softmax", "log_softmax", "glu"})


def _kernel_input(c: Call, x: Tensor, array: Any) -> int:
    """How many groups the channels of x are convolved in; ModelFormatError when the kernel does not fit."""
    depth, count = array.shape[-2], c.x.rank - 2
    groups = c.integer("groups", 1)
    taps = list(array.shape[-2 - count : -2])
    wanted = taps if c.get("kernel_size") is None else c.integers("kernel_size", count)
    if taps != wanted or c.size("filters") not in (-1, array.shape[-1]):
        raise ModelFormatError(
            f"{c}: the file's kernel has shape {list(array.shape)}, the configuration states {c.get('filters')} "
            f"filters of size {wanted}"
        )
    if x.shape[-1] not in (-1, depth * groups) or array.shape[-1] % groups:
        raise ModelFormatError(
            f"{c}: a kernel of shape {list(array.shape)} in {groups} groups does not fit {x.shape[-1]} channels"
        )
    return groups


def _grouped(
    c: Call, x: Tensor, array: Any, windows: _Windows, strides: Sequence[int], dilations: Sequence[int]
) -> Tensor:
    """A convolution in groups, which TensorFlow.js has not: depthwise where it is that, else one for each group."""
    b, groups = c.b, _kernel_input(c, x, array)
    op = "Conv3D" if x.rank == 5 else "Conv2D"
    if groups == 1:
        kernel = c.weight("kernel") if array.ndim == c.x.rank == x.rank else c.constant("kernel", array)
        return convolve(b, x, kernel, strides, windows.padding, dilations, op)
    array = np.asarray(array)
    if array.shape[-2] == 1 and x.rank == 4 and len(set(strides)) == 1:
        # Output channel g * m + i is made of channel g, as in a depthwise convolution with multiplier m.
        shape = (*array.shape[:2], groups, array.shape[-1] // groups)
        kernel = c.constant("kernel", array.reshape(shape))
        return convolve(b, x, kernel, strides, windows.padding, dilations, "DepthwiseConv2dNative")
    parts = [
        convolve(b, part, c.constant(f"kernel_{i}", kernel), strides, windows.padding, dilations, op)
        for i, (part, kernel) in enumerate(zip(b.split(x, groups, -1), np.split(array, groups, -1), strict=True))
    ]
    return b.concat(parts, -1)


@layer("Conv1D", weights=(_KERNEL, _BIAS))
def conv1d(c: Call) -> Tensor:
    """x (batch, steps, in), kernel (taps, in / groups, out): a convolution of images of height 1."""
    windows = _Windows(c, 1, "valid", "same", "causal")
    array = c.array("kernel")
    x = _causal(c, c.to_last(c.rank(3)), windows, array.shape[0])
    image = c.b.expand(x, 1)
    result = _grouped(c, image, array[np.newaxis], windows, [1, *windows.strides], [1, *windows.dilations])
    return _finished(c, c.b.squeeze(result, 1))


@layer("Conv2D", weights=(_KERNEL, _BIAS))
def conv2d(c: Call) -> Tensor:
    """x (batch, height, width, in), kernel (height, width, in / groups, out)."""
    windows, x = _Windows(c, 2), c.to_last(c.rank(4))
    return _finished(c, _grouped(c, x, c.held("kernel"), windows, windows.strides, windows.dilations))


@layer("Conv3D", weights=(_KERNEL, _BIAS))
def conv3d(c: Call) -> Tensor:
    """x (batch, depth, height, width, in), kernel (depth, height, width, in / groups, out)."""
    windows, x = _Windows(c, 3), c.to_last(c.rank(5))
    return _finished(c, _grouped(c, x, c.held("kernel"), windows, windows.strides, windows.dilations))


def _depthwise(
    c: Call, x: Tensor, array: Any, windows: _Windows, strides: Sequence[int], dilations: Sequence[int]
) -> Tensor:
    kernel = c.constant("depthwise_kernel", array)
    if x.shape[-1] not in (-1, array.shape[-2]):
        raise ModelFormatError(f"{c}: a kernel of shape {list(array.shape)} does not fit {x.shape[-1]} channels")
    return convolve(c.b, x, kernel, strides, windows.padding, dilations, "DepthwiseConv2dNative")


@layer("DepthwiseConv2D", weights=(_DEPTHWISE, _BIAS))
def depthwise_conv2d(c: Call) -> Tensor:
    """Each channel by itself; kernel (height, width, in, multiplier)."""
    windows, x = _Windows(c, 2), c.to_last(c.rank(4))
    return _finished(c, _depthwise(c, x, c.array("depthwise_kernel"), windows, windows.strides, windows.dilations))


@layer("DepthwiseConv1D", weights=(_DEPTHWISE, _BIAS))
def depthwise_conv1d(c: Call) -> Tensor:
    """Each channel by itself; kernel (taps, in, multiplier)."""
    return _finished(c, _depthwise_1d(c))


def _depthwise_1d(c: Call) -> Tensor:
    windows = _Windows(c, 1, "valid", "same", "causal")
    array = c.array("depthwise_kernel")
    x = c.b.expand(_causal(c, c.to_last(c.rank(3)), windows, array.shape[0]), 1)
    # TensorFlow's op wants one stride for both axes; along a height of 1 it does nothing.
    result = _depthwise(c, x, array[np.newaxis], windows, windows.strides * 2, [1, *windows.dilations])
    return c.b.squeeze(result, 1)


@layer("SeparableConv2D", weights=(_DEPTHWISE, _POINTWISE, _BIAS))
def separable_conv2d(c: Call) -> Tensor:
    """A depthwise convolution, then one over the channels alone."""
    windows, x = _Windows(c, 2), c.to_last(c.rank(4))
    x = _depthwise(c, x, c.array("depthwise_kernel"), windows, windows.strides, windows.dilations)
    pointwise = c.weight("pointwise_kernel", (1, 1, x.shape[-1], -1))
    return _finished(c, convolve(c.b, x, pointwise, [1, 1], "valid", [1, 1], "Conv2D"))


@layer("SeparableConv1D", weights=(_DEPTHWISE, _POINTWISE, _BIAS))
def separable_conv1d(c: Call) -> Tensor:
    """As SeparableConv2D along steps."""
    x = c.b.expand(_depthwise_1d(c), 1)
    array = c.array("pointwise_kernel")[np.newaxis]
    pointwise = c.constant("pointwise_kernel", array)
    result = convolve(c.b, x, pointwise, [1, 1], "valid", [1, 1], "Conv2D")
    return _finished(c, c.b.squeeze(result, 1))


# Transposed ----------------------------------------------------------------------------------------------------


def transposed_size(
    size: int, window: int, stride: int, padding: str, output_padding: int | None, dilation: int = 1
) -> int:
    """The size that a transposed convolution makes of ``size``.

    >>> transposed_size(4, 3, 2, "same", None), transposed_size(4, 3, 2, "same", 0)
    (8, 7)
    """
    extent = window + (window - 1) * (dilation - 1)
    if output_padding is None:
        return size * stride + (max(extent - stride, 0) if padding == "valid" else 0)
    return (size - 1) * stride + extent - 2 * (extent // 2 if padding == "same" else 0) + output_padding


def _dilated(array: Any, dilations: Sequence[int]) -> Any:
    """A kernel with zeros between its taps."""
    if set(dilations) == {1}:
        return array
    window = [(taps - 1) * d + 1 for taps, d in zip(array.shape, dilations, strict=False)]
    spread = np.zeros((*window, *array.shape[len(dilations) :]), array.dtype)
    spread[tuple(slice(None, None, d) for d in dilations)] = array
    return spread


def _transposed(c: Call, x: Tensor, array: Any, windows: _Windows, padding: list[int | None], ones: int = 0) -> Tensor:
    """A transposed convolution of channels-last data; the first ``ones`` axes are of size 1."""
    b = c.b
    count = x.rank - 2
    strides, dilations = [1] * ones + windows.strides, [1] * ones + windows.dilations
    if x.shape[-1] not in (-1, array.shape[-1]):
        raise ModelFormatError(f"{c}: a kernel of shape {list(array.shape)} does not fit {x.shape[-1]} channels")
    if c.integer("groups", 1) != 1:
        raise c.unsupported("groups of a transposed convolution are not supported", "make one layer for each group")
    target: list[int | Tensor] = [b.sizes(x)[0]]
    shape = [x.shape[0]]
    for axis in range(count):
        arguments = (array.shape[axis], strides[axis], windows.padding, padding[axis], dilations[axis])
        known = x.shape[axis + 1]
        shape.append(-1 if known < 0 else transposed_size(known, *arguments))
        if known >= 0:
            target.append(shape[-1])
            continue
        size = b.sizes(x)[axis + 1]
        offset = transposed_size(0, *arguments)
        grown = b.mul(size, strides[axis]) if isinstance(size, Tensor) else size
        target.append(b.add_(grown, offset) if isinstance(grown, Tensor) else grown)
    shape.append(array.shape[-2])
    target.append(array.shape[-2])
    c.bounded(array.size * math.prod(dilations), "its dilated kernel")
    kernel = c.constant("kernel", _dilated(array, dilations))
    attrs = window_attributes(strides, windows.padding, [1] * count)
    return b.add(
        "Conv2DBackpropInput", [b.shape_tensor(target), kernel, x], shape, x.dtype, T=DataType(x.dtype), **attrs
    )


def _output_padding(c: Call, count: int) -> list[int | None]:
    if c.get("output_padding") is None:
        return [None] * count
    return list(c.integers("output_padding", count))


@layer("Conv1DTranspose", weights=(_KERNEL, _BIAS))
def conv1d_transpose(c: Call) -> Tensor:
    """kernel (taps, out, in)."""
    windows = _Windows(c, 1)
    x = c.b.expand(c.to_last(c.rank(3)), 1)
    padding: list[int | None] = [None, *_output_padding(c, 1)]
    result = _transposed(c, x, c.array("kernel")[np.newaxis], windows, padding, ones=1)
    return _finished(c, c.b.squeeze(result, 1))


@layer("Conv2DTranspose", weights=(_KERNEL, _BIAS))
def conv2d_transpose(c: Call) -> Tensor:
    """kernel (height, width, out, in)."""
    x = c.to_last(c.rank(4))
    return _finished(c, _transposed(c, x, c.array("kernel"), _Windows(c, 2), _output_padding(c, 2)))


@layer("Conv3DTranspose", weights=(_KERNEL, _BIAS))
def conv3d_transpose(c: Call) -> Tensor:
    """kernel (depth, height, width, out, in): a convolution of x with zeros between its elements.

    TensorFlow's op for it is one that TensorFlow.js has not.
    """
    b, x, windows, array = c.b, c.to_last(c.rank(5)), _Windows(c, 3), c.array("kernel")
    if x.shape[-1] not in (-1, array.shape[-1]):
        raise ModelFormatError(f"{c}: a kernel of shape {list(array.shape)} does not fit {x.shape[-1]} channels")
    if c.integer("groups", 1) != 1:
        raise c.unsupported("groups of a transposed convolution are not supported", "make one layer for each group")
    c.bounded(array.size * math.prod(windows.dilations), "its dilated kernel")
    padding = _output_padding(c, 3)
    pads, cuts = [[0, 0]], [slice(None)]
    for i, (stride, dilation) in enumerate(zip(windows.strides, windows.dilations, strict=True)):
        x = _stuffed(b, x, i + 1, stride)
        arguments = (array.shape[i], stride, windows.padding, padding[i], dilation)
        extent = (array.shape[i] - 1) * dilation + 1
        # Sizes grow by the same amount whatever they are.
        beyond = transposed_size(1, *arguments) - stride
        hidden = max(extent - stride - beyond, 0) // 2 if windows.padding == "same" else 0
        before = extent - 1 - hidden
        after = beyond + extent - 1 - before
        pads.append([before, max(after, 0)])
        cuts.append(slice(None, min(after, 0) or None))
    x = b.pad(x, [*pads, [0, 0]])
    if any(cut.stop for cut in cuts):
        x = b.strided_slice(x, cuts)
    flipped = np.swapaxes(_dilated(array, windows.dilations)[::-1, ::-1, ::-1], -1, -2)
    kernel = c.constant("kernel", np.ascontiguousarray(flipped))
    return _finished(c, convolve(b, x, kernel, [1, 1, 1], "valid", [1, 1, 1], "Conv3D"))


def _stuffed(b: Builder, x: Tensor, axis: int, stride: int) -> Tensor:
    """x with ``stride - 1`` zeros after each element along an axis."""
    if stride == 1:
        return x
    sizes = b.sizes(x)
    size = sizes[axis]
    grown = size * stride if isinstance(size, int) else b.mul(size, stride)
    apart = b.pack([x, *[b.unary("ZerosLike", x)] * (stride - 1)], axis + 1)
    return b.reshape(apart, [*sizes[:axis], grown, *sizes[axis + 1 :]])
