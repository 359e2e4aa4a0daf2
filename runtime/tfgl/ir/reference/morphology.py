"""Grey dilation and its gradients."""

from __future__ import annotations

import numpy as np

from ..shapes import Convolution, dilation2d_geometry
from ..shapes.convolution import Extents, Pad
from .conversion import numbers
from .convolution import taps
from .pooling import lowest
from .registry import Array, reference


def _dilated(
    x: Array, filter: Array, strides: Extents, pad: Pad, dilations: Extents | None
) -> tuple[Convolution, Array, Array]:
    """(geometry, result, which tap of the filter each element of the result comes from)."""
    geometry = dilation2d_geometry(x.shape, filter.shape, strides, pad, dilations=dilations)
    x, filter = numbers(x, filter)
    # As in TensorFlow, what is not above the lowest finite number counts for nothing: NaN and minus infinity.
    # It is that of float32, in which float64 stands for it.
    start = float(np.finfo(np.float32).min) if x.dtype.kind == "f" else lowest(x.dtype)
    out = np.full(geometry.out_shape, start, x.dtype)
    which = np.full(out.shape, -1, np.int64)
    for (row, column), outs, ins in taps(geometry):
        value = x[ins] + filter[row, column]
        better = value > out[outs]
        which[outs] = np.where(better, row * filter.shape[1] + column, which[outs])
        out[outs] = np.where(better, value, out[outs])
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
