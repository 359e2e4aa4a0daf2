"""Grey dilation and its gradients."""

from __future__ import annotations

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import Convolution, pool2d_geometry
from ..shapes.convolution import Extents, Pad
from .conversion import numbers
from .convolution import taps
from .pooling import lowest
from .registry import Array, reference


def _dilated(
    x: Array, filter: Array, strides: Extents, pad: Pad, dilations: Extents | None
) -> tuple[Convolution, Array, Array]:
    """(geometry, result, which tap of the filter each element of the result comes from)."""
    if filter.ndim != 3 or x.ndim != 4 or filter.shape[2] != x.shape[3]:
        raise InvalidArgumentError(
            "Error in dilation2d: expected x of rank 4 and a filter (height, width, channels of x), got "
            f"{list(x.shape)} and {list(filter.shape)}"
        )
    x, filter = numbers(x, filter)
    geometry = pool2d_geometry(x.shape, filter.shape[:2], strides, pad, dilations=dilations)
    out = np.full(geometry.out_shape, lowest(x.dtype), x.dtype)
    which = np.zeros(out.shape, np.int64)
    for (row, column), outs, ins in taps(geometry):
        value = x[ins] + filter[row, column]
        which[outs] = np.where(value > out[outs], row * filter.shape[1] + column, which[outs])
        out[outs] = np.maximum(out[outs], value)
    return geometry, out, which


@reference("Dilation2D")
def dilation2d(x: Array, filter: Array, *, strides: Extents, pad: Pad, dilations: Extents | None = 1) -> Array:
    """The maximum over each window of ``x`` plus ``filter`` (height, width, channels), NHWC."""
    return _dilated(x, filter, strides, pad, dilations)[1]


@reference("Dilation2DBackpropInput")
def dilation2d_backprop_input(
    x: Array, filter: Array, dy: Array, *, strides: Extents, pad: Pad, dilations: Extents | None = 1
) -> Array:
    """The gradient of Dilation2D with respect to ``x``, given to the first maximum."""
    geometry, _, which = _dilated(x, filter, strides, pad, dilations)
    out = np.zeros(x.shape)
    for (row, column), outs, ins in taps(geometry):
        out[ins] += np.where(which[outs] == row * filter.shape[1] + column, dy[outs], 0)
    return out


@reference("Dilation2DBackpropFilter")
def dilation2d_backprop_filter(
    x: Array, filter: Array, dy: Array, *, strides: Extents, pad: Pad, dilations: Extents | None = 1
) -> Array:
    """The gradient of Dilation2D with respect to ``filter``."""
    geometry, _, which = _dilated(x, filter, strides, pad, dilations)
    out = np.zeros(filter.shape)
    for (row, column), outs, _ in taps(geometry):
        hit = which[outs] == row * filter.shape[1] + column
        out[row, column] = np.where(hit, dy[outs], 0).sum(axis=(0, 1, 2))
    return out
