"""Pooling over two and three spatial axes."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidArgumentError
from .arrange import transpose
from .call import Call, Value
from .registry import lower
from .windows import is_channels_first, padding, spatial, split_spatial

_TO_LAST_2D, _TO_FIRST_2D = (0, 2, 3, 1), (0, 3, 1, 2)
_TO_LAST_3D, _TO_FIRST_3D = (0, 2, 3, 4, 1), (0, 4, 1, 2, 3)


def _pooled(call: Call, kernel: str, window: list[int], strides: list[int], first: bool) -> Value:
    """A pooling kernel, all of which compute channels last."""
    x = call.inputs[0]
    three = len(window) == 3
    if len(x.shape) != len(window) + 2:
        raise InvalidArgumentError(f"the input must have rank {len(window) + 2}, got shape {list(x.shape)}")
    if first:
        x = transpose(call, x, _TO_LAST_3D if three else _TO_LAST_2D)
    attrs: dict[str, Any] = {"dataFormat": "NDHWC"} if three else {}
    pad = padding(call, first, as_channels_first=False)
    result = call.one(kernel, {"x": x}, filterSize=window, strides=strides, pad=pad, **attrs)
    return transpose(call, result, _TO_FIRST_3D if three else _TO_FIRST_2D) if first else result


@lower("AvgPool", "MaxPool", inputs=1, kernels=("AvgPool", "MaxPool", "Transpose"))
def pool(call: Call) -> Value:
    """Window and strides are attributes."""
    first = is_channels_first(call)
    return _pooled(call, call.node.op, spatial(call, "ksize", 4, first), spatial(call, "strides", 4, first), first)


@lower("MaxPoolV2", inputs=3, kernels=("MaxPool", "Transpose"), host=(1, 2))
def max_pool_v2(call: Call) -> Value:
    """Window and strides are inputs."""
    first = is_channels_first(call)
    window, strides = (
        split_spatial(call, name, call.host_integers(i), first, 4) for i, name in ((1, "ksize"), (2, "strides"))
    )
    return _pooled(call, "MaxPool", window, strides, first)


@lower("AvgPool3D", "MaxPool3D", inputs=1, kernels=("AvgPool3D", "MaxPool3D", "Transpose"))
def pool3d(call: Call) -> Value:
    """Pooling over depth, height and width."""
    first = is_channels_first(call, "NDHWC")
    return _pooled(call, call.node.op, spatial(call, "ksize", 5, first), spatial(call, "strides", 5, first), first)


@lower("MaxPoolWithArgmax", inputs=1, kernels=("MaxPoolWithArgmax",))
def max_pool_with_argmax(call: Call) -> list[Value]:
    """The maxima, and their flat positions (within their image unless ``include_batch_in_index``)."""
    return call.many(
        "MaxPoolWithArgmax",
        {"x": call.inputs[0]},
        filterSize=spatial(call, "ksize", 4, False),
        strides=spatial(call, "strides", 4, False),
        pad=padding(call, False),
        includeBatchInIndex=call.flag("include_batch_in_index"),
    )
