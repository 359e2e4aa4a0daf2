"""Pooling by windows and over everything."""

from __future__ import annotations

import math
from typing import Any

from ...errors import ModelFormatError
from ..builder import Tensor
from ..call import Call
from ..registry import layer


def window_size(size: int, window: int, stride: int, padding: str, dilation: int = 1) -> int:
    """How many windows fit along an axis; -1 for an unknown size.

    >>> window_size(7, 3, 2, "same"), window_size(7, 3, 2, "valid"), window_size(-1, 3, 2, "same")
    (4, 3, -1)
    """
    if size < 0:
        return -1
    if padding == "same":
        return math.ceil(size / stride)
    return max(math.ceil((size - (window - 1) * dilation) / stride), 0)


def padding_of(c: Call, *allowed: str) -> str:
    """The layer's padding, one of those allowed."""
    padding = c.text("padding", "valid")
    if padding not in (allowed or ("valid", "same")):
        raise c.wrong("padding", " or ".join(allowed or ("valid", "same")), padding)
    return padding


def _pooled(c: Call, op: str, count: int) -> Tensor:
    """Pooling over ``count`` spatial axes; a single one becomes the height of an image of width 1."""
    x = c.to_last(c.rank(count + 2))
    window = c.integers("pool_size", count, 2)
    strides = window if c.get("strides") is None else c.integers("strides", count)
    padding = padding_of(c)
    if count == 1:
        x, window, strides = c.b.expand(x, 2), [*window, 1], [*strides, 1]
    if min(*window, *strides, 1) < 1:
        raise ModelFormatError(f"{c}: pool_size and strides must be positive, got {window} and {strides}")
    space = [window_size(size, w, s, padding) for size, w, s in zip(x.shape[1:-1], window, strides, strict=True)]
    if 0 in space:
        raise ModelFormatError(f"{c}: windows of {window} do not fit into shape {list(x.shape)}")
    attrs: dict[str, Any] = {
        "ksize": [1, *window, 1], "strides": [1, *strides, 1], "padding": padding.upper().encode(),
        "data_format": b"NDHWC" if count == 3 else b"NHWC",
    }  # fmt: skip
    result = c.b.add(op + ("3D" if count == 3 else ""), [x], [x.shape[0], *space, x.shape[-1]], **attrs)
    return c.from_last(c.b.squeeze(result, 2) if count == 1 else result)


@layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def max_pooling(c: Call) -> Tensor:
    """The largest of each window."""
    return _pooled(c, "MaxPool", _axes(c))


@layer("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(c: Call) -> Tensor:
    """The mean of each window, padding not counted."""
    return _pooled(c, "AvgPool", _axes(c))


@layer("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def global_max_pooling(c: Call) -> Tensor:
    """The largest over the space."""
    return c.b.reduce("Max", c.rank(_axes(c) + 2), _space(c), keep=c.flag("keepdims"))


@layer("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D")
def global_average_pooling(c: Call) -> Tensor:
    """The mean over the space; of steps, only those count that a mask leaves."""
    x, keep = c.rank(_axes(c) + 2), c.flag("keepdims")
    if x.rank != 3 or x.mask is None:
        return c.b.reduce("Mean", x, _space(c), keep=keep)
    axis = _space(c)[0]
    mask = c.b.cast(c.b.expand(x.mask, 3 - axis), x.dtype)
    total = c.b.reduce("Sum", c.b.mul(x, mask), [axis], keep=keep)
    return c.b.div(total, c.b.reduce("Sum", mask, [axis], keep=keep))


def _axes(c: Call) -> int:
    return int(c.node.row.class_name[-2]) if c.node.row is not None else 2


def _space(c: Call) -> list[int]:
    return list(range(2, c.x.rank)) if c.channels_first else list(range(1, c.x.rank - 1))
