"""Pools and their gradients; padding takes no part."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..shapes import Convolution, pool2d_geometry, pool3d_geometry
from ..shapes.convolution import Extents, Pad, Rounding
from .conversion import floating
from .convolution import channels_back, channels_to_end, taps
from .registry import Array, reference


def lowest(dtype: np.dtype[Any]) -> Any:
    """The value below all others of a dtype.

    >>> lowest(np.dtype(np.float64))
    -inf
    """
    return -np.inf if dtype.kind == "f" else (np.iinfo(dtype).min if dtype.kind == "i" else False)


def _counts(geometry: Convolution) -> Array:
    counts = np.zeros((1, *geometry.out_spatial, 1))
    for _, outs, _ in taps(geometry):
        counts[outs] += 1
    return counts


def _average(x: Array, geometry: Convolution) -> Array:
    x = channels_to_end(floating(x), geometry)
    out = np.zeros((geometry.batch, *geometry.out_spatial, geometry.out_channels))
    for _, outs, ins in taps(geometry):
        out[outs] += x[ins]
    return channels_back(out / np.maximum(_counts(geometry), 1), geometry)


def _average_gradient(dy: Array, geometry: Convolution, counts: Array | int | None = None) -> Array:
    dy = channels_to_end(floating(dy), geometry)
    share = dy / (np.maximum(_counts(geometry), 1) if counts is None else counts)
    out = np.zeros((geometry.batch, *geometry.in_spatial, geometry.in_channels))
    for _, outs, ins in taps(geometry):
        out[ins] += share[outs]
    return channels_back(out, geometry)


def _maximum(x: Array, geometry: Convolution) -> Array:
    x = channels_to_end(x, geometry)
    start = np.nan if x.dtype.kind == "f" else lowest(x.dtype)
    out = np.full((geometry.batch, *geometry.out_spatial, geometry.out_channels), start, x.dtype)
    for _, outs, ins in taps(geometry):
        out[outs] = np.fmax(out[outs], x[ins])
    return channels_back(out, geometry)


def _winners(x: Array, geometry: Convolution) -> Array:
    """Flat position, within one batch entry, of the first maximum of each window."""
    best = np.full((geometry.batch, *geometry.out_spatial, geometry.out_channels), lowest(x.dtype), x.dtype)
    where = np.full(best.shape, -1, np.int64)
    positions = np.arange(int(np.prod(x.shape[1:]))).reshape(1, *x.shape[1:])
    for _, outs, ins in taps(geometry):
        better = (x[ins] > best[outs]) | (where[outs] < 0) | (np.isnan(best[outs]) & ~np.isnan(x[ins]))
        best[outs] = np.where(better, x[ins], best[outs])
        where[outs] = np.where(better, positions[ins], where[outs])
    return where


def _maximum_gradient(dy: Array, x: Array, geometry: Convolution) -> Array:
    x, dy = channels_to_end(x, geometry), channels_to_end(floating(dy), geometry)
    if not x.size or not dy.size:
        return np.zeros(geometry.in_shape)
    out = np.zeros((geometry.batch, int(np.prod(x.shape[1:]))))
    where = _winners(x, geometry).reshape(geometry.batch, -1)
    # A window of padding alone has no maximum.
    given = np.where(where < 0, 0.0, dy.reshape(geometry.batch, -1))
    np.add.at(out, (np.arange(geometry.batch)[:, None], where), given)
    return channels_back(out.reshape(x.shape), geometry)


@reference("AvgPool")
def avg_pool(
    x: Array, *, filter_size: Extents, strides: Extents, pad: Pad, dim_rounding_mode: Rounding = None
) -> Array:
    """The mean of each window's elements that lie inside; always float."""
    return _average(x, pool2d_geometry(x.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode))


@reference("MaxPool")
def max_pool(
    x: Array, *, filter_size: Extents, strides: Extents, pad: Pad, dim_rounding_mode: Rounding = None
) -> Array:
    """The maximum of each window's numbers, as the original's specs ask; NaN where there is none."""
    return _maximum(x, pool2d_geometry(x.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode))


@reference("MaxPoolWithArgmax")
def max_pool_with_argmax(
    x: Array, *, filter_size: Extents, strides: Extents, pad: Pad, include_batch_in_index: bool = False
) -> list[Array]:
    """The maxima, and the flat index of each in its image, or in the batch.

    As the original's specs ask, NaN counts only where a window has no number. A window of padding alone gives 0
    and the index -1.
    """
    geometry = pool2d_geometry(x.shape, filter_size, strides, pad)
    where = _winners(x, geometry)
    before = (np.arange(geometry.batch) * int(np.prod(x.shape[1:]))).reshape(-1, 1, 1, 1)
    in_batch = np.where(where < 0, -1, where + before)
    largest = np.where(where < 0, 0, x.reshape(-1)[in_batch]).astype(x.dtype)
    return [largest, in_batch if include_batch_in_index else where]


@reference("AvgPool3D")
def avg_pool3d(
    x: Array,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
    data_format: str = "NDHWC",
) -> Array:
    """AvgPool of volumes."""
    geometry = pool3d_geometry(
        x.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode, data_format=data_format
    )
    return _average(x, geometry)


@reference("MaxPool3D")
def max_pool3d(
    x: Array,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
    data_format: str = "NDHWC",
) -> Array:
    """MaxPool of volumes."""
    geometry = pool3d_geometry(
        x.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode, data_format=data_format
    )
    return _maximum(x, geometry)


@reference("AvgPoolGrad")
def avg_pool_grad(dy: Array, input: Array, *, filter_size: Extents, strides: Extents, pad: Pad) -> Array:
    """The gradient of AvgPool; with pairs of explicit padding as if it had none, as the original's specs ask."""
    geometry = pool2d_geometry(input.shape, filter_size, strides, pad)
    whole = None if isinstance(pad, (str, int)) else math.prod(geometry.filter_spatial)
    return _average_gradient(dy, geometry, whole)


@reference("MaxPoolGrad")
def max_pool_grad(
    dy: Array,
    input: Array,
    output: Array,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
) -> Array:
    """The gradient of MaxPool, given to the first maximum of each window."""
    geometry = pool2d_geometry(input.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode)
    return _maximum_gradient(dy, input, geometry)


@reference("AvgPool3DGrad")
def avg_pool3d_grad(
    dy: Array,
    input: Array,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
) -> Array:
    """The gradient of AvgPool3D (NDHWC)."""
    geometry = pool3d_geometry(input.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode)
    return _average_gradient(dy, geometry)


@reference("MaxPool3DGrad")
def max_pool3d_grad(
    dy: Array,
    input: Array,
    output: Array,
    *,
    filter_size: Extents,
    strides: Extents,
    pad: Pad,
    dim_rounding_mode: Rounding = None,
) -> Array:
    """The gradient of MaxPool3D (NDHWC), given to the first maximum of each window."""
    geometry = pool3d_geometry(input.shape, filter_size, strides, pad, dim_rounding_mode=dim_rounding_mode)
    return _maximum_gradient(dy, input, geometry)
