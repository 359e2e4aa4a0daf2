"""Softmax and normalizations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import broadcast_shapes, normalize_axis
from ..shapes.axes import normalize_axes
from .conversion import floating
from .registry import Array, reference


def _shifted(logits: Array, dim: int) -> tuple[Array, int]:
    if not logits.ndim:
        raise InvalidArgumentError("Softmax takes logits of rank 1 or higher, got a scalar")
    axis = normalize_axis(dim, logits.ndim)
    logits = floating(logits)
    return logits - np.max(logits, axis=axis, keepdims=True, initial=-np.inf), axis


@reference("Softmax")
def softmax(logits: Array, *, dim: int = -1) -> Array:
    """exp(x) / sum(exp(x)) along ``dim``."""
    shifted, axis = _shifted(logits, dim)
    powers = np.exp(shifted)
    return np.asarray(powers / np.sum(powers, axis=axis, keepdims=True))


@reference("LogSoftmax")
def log_softmax(logits: Array, *, axis: int = -1) -> Array:
    """x - log(sum(exp(x))) along ``axis``."""
    shifted, where = _shifted(logits, axis)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=where, keepdims=True)))


@reference("_Standardize")
def standardize(x: Array, *, axes: Sequence[int], epsilon: float) -> Array:
    """(x - mean) / sqrt(variance + epsilon), both over ``axes``."""
    x = floating(x)
    where = normalize_axes(list(axes), x.ndim)
    centred = x - np.mean(x, axis=where, keepdims=True)
    return np.asarray(centred / np.sqrt(np.mean(centred * centred, axis=where, keepdims=True) + epsilon))


@reference("FusedBatchNorm")
def fused_batch_norm(
    x: Array,
    scale: Array | None = None,
    offset: Array | None = None,
    mean: Array | None = None,
    variance: Array | None = None,
    *,
    variance_epsilon: float = 0.001,
) -> Array:
    """(x - mean) * scale / sqrt(variance + variance_epsilon) + offset."""
    if mean is None or variance is None:
        raise InvalidArgumentError("FusedBatchNorm needs the inputs mean and variance")
    for name, vector in (("variance", variance), ("offset", offset), ("scale", scale)):
        if vector is not None and vector.ndim != mean.ndim:
            raise InvalidArgumentError(f"Batch normalization gradient requires mean and {name} to have equal ranks.")
    for vector in (mean, variance, offset, scale):
        if vector is not None and broadcast_shapes(x.shape, vector.shape) != x.shape:
            raise InvalidArgumentError(f"FusedBatchNorm: {list(vector.shape)} does not broadcast to x, {list(x.shape)}")
    factor = 1.0 / np.sqrt(floating(variance) + variance_epsilon)
    if scale is not None:
        factor = factor * scale
    out = (floating(x) - mean) * factor
    return out if offset is None else out + offset


def _lrn_scale(x: Array, depth_radius: int, bias: float, alpha: float) -> Array:
    if x.ndim != 4:
        raise InvalidArgumentError(f"Error in localResponseNormalization: x must be rank 3 or 4 but got rank {x.ndim}.")
    channels = x.shape[-1]
    reach = min(int(depth_radius), max(channels - 1, 0))
    squares = np.pad(x * x, [(0, 0)] * 3 + [(reach, reach)])
    total = np.zeros(x.shape)
    for shift in range(2 * reach + 1):
        total += squares[..., shift : shift + channels]
    return bias + alpha * total


@reference("LRN")
def lrn(x: Array, *, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5) -> Array:
    """x / (bias + alpha * sum of squares of the channels within ``depth_radius``) ** beta."""
    x = floating(x)
    return np.asarray(x * _lrn_scale(x, depth_radius, bias, alpha) ** -beta)


@reference("LRNGrad")
def lrn_grad(
    x: Array,
    y: Array,
    dy: Array,
    *,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
) -> Array:
    """The gradient of LRN at ``x``: ``y`` is its result, ``dy`` the gradient that arrives."""
    x = floating(x)
    scale = _lrn_scale(x, depth_radius, bias, alpha)
    channels = np.arange(x.shape[-1])
    near = (np.abs(channels[:, None] - channels) <= depth_radius).astype(np.float64)
    return np.asarray(dy * scale**-beta - 2.0 * alpha * beta * x * ((dy * y / scale) @ near))
