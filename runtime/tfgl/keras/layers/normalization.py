"""Normalisation layers, as they are once trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..builder import Tensor
from ..call import Call
from ..registry import Weight, layer

_GAMMA, _BETA = Weight("gamma", when="scale"), Weight("beta", when="center")
_MOVING = (Weight("moving_mean", trainable=False), Weight("moving_variance", trainable=False))


@layer("BatchNormalization", weights=(_GAMMA, _BETA, *_MOVING), masking="pass")
def batch_normalization(c: Call) -> Tensor:
    """gamma (x - moving_mean) / sqrt(moving_variance + epsilon) + beta along ``axis``."""
    b, x = c.b, c.x
    given = c.get("axis", -1)
    axes = [axis % x.rank for axis in ([given] if isinstance(given, int) else c.integers("axis"))]
    epsilon = c.number("epsilon", 1e-3)
    shape = tuple(x.shape[axis] for axis in axes)
    if x.rank == 4 and axes in ([3], [1]):
        last = b.transpose(x, [0, 2, 3, 1]) if axes == [1] else x
        size = c.array("moving_mean").shape[0]
        ones, zeros = np.ones(size, np.float32), np.zeros(size, np.float32)
        parameters = [
            c.weight("gamma", shape) if c.has("gamma") else c.constant("gamma", ones),
            c.weight("beta", shape) if c.has("beta") else c.constant("beta", zeros),
            c.weight("moving_mean", shape),
            c.weight("moving_variance", shape),
        ]
        result = b.add(
            "FusedBatchNormV3",
            [last, *parameters],
            last.shape,
            epsilon=epsilon,
            data_format=b"NHWC",
            is_training=False,
            exponential_avg_factor=1.0,
        )
        return b.transpose(result, [0, 3, 1, 2]) if axes == [1] else result
    # Two constants in place of four: what folding constants would make of it.
    scale = 1 / np.sqrt(c.array("moving_variance").astype(np.float64) + epsilon)
    if c.has("gamma"):
        scale = scale * c.array("gamma")
    offset = -c.array("moving_mean") * scale
    if c.has("beta"):
        offset = offset + c.array("beta")
    spread = [x.shape[axis] if axis in axes else 1 for axis in range(min(axes), x.rank)]
    spread = [size if size >= 0 else -1 for size in spread]
    factor = c.constant("scale", scale.astype(np.float32).reshape(spread))
    return b.add_(b.mul(x, factor), c.constant("offset", offset.astype(np.float32).reshape(spread)))


def _layer_weights(config: Mapping[str, Any]) -> Sequence[Weight]:
    # Scaling alone has a factor in any case, and nothing to add.
    return [Weight("gamma")] if config.get("rms_scaling") else [_GAMMA, _BETA]


@layer("LayerNormalization", weights=_layer_weights, masking="pass")
def layer_normalization(c: Call) -> Tensor:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance over ``axis`` of each sample."""
    b, x = c.b, c.x
    given = c.get("axis", -1)
    axes = sorted(axis % x.rank for axis in ([given] if isinstance(given, int) else c.integers("axis")))
    epsilon = c.number("epsilon", 1e-3)
    spread = [x.shape[axis] if axis in axes else 1 for axis in range(min(axes), x.rank)]
    centred = b.sub(x, b.reduce("Mean", x, axes, keep=True))
    variance = b.reduce("Mean", b.unary("Square", centred), axes, keep=True)
    factor = b.unary("Rsqrt", b.add_(variance, epsilon))
    if c.flag("rms_scaling"):
        result = b.mul(x, factor)
        return b.mul(result, c.constant("gamma", c.array("gamma").reshape(spread))) if c.has("gamma") else result
    result = b.mul(centred, factor)
    if c.has("gamma"):
        result = b.mul(result, c.constant("gamma", c.array("gamma").reshape(spread)))
    if c.has("beta"):
        result = b.add_(result, c.constant("beta", c.array("beta").reshape(spread)))
    return result


@layer("RMSNormalization", weights=(Weight("scale"),), masking="pass")
def rms_normalization(c: Call) -> Tensor:
    """scale x / sqrt(mean(x^2) + epsilon) over ``axis``."""
    b, x = c.b, c.x
    given = c.get("axis", -1)
    axes = sorted(axis % x.rank for axis in ([given] if isinstance(given, int) else c.integers("axis")))
    spread = [x.shape[axis] if axis in axes else 1 for axis in range(min(axes), x.rank)]
    power = b.reduce("Mean", b.unary("Square", x), axes, keep=True)
    result = b.mul(x, b.unary("Rsqrt", b.add_(power, c.number("epsilon", 1e-6))))
    return b.mul(result, c.constant("scale", c.array("scale").reshape(spread)))


@layer("GroupNormalization", weights=(_GAMMA, _BETA), masking="pass")
def group_normalization(c: Call) -> Tensor:
    """As LayerNormalization, over the space and one group of channels at a time; groups of -1: one for each channel."""
    b, x = c.b, c.x
    axis = c.integer("axis", -1) % x.rank
    channels = c.known(x, axis, "the number of channels")
    groups = c.integer("groups", 32)
    groups = channels if groups == -1 else groups
    if groups < 1 or channels % groups:
        raise c.wrong("groups", f"a divisor of the {channels} channels", groups)
    sizes = b.sizes(x)
    # One axis for all the space before the channels and one for all behind keep the rank at 5.
    before, after = _one(x.shape[1:axis]), _one(x.shape[axis + 1 :])
    if -1 in (before, after):
        grouped = b.reshape(x, [*sizes[:axis], groups, channels // groups, *sizes[axis + 1 :]])
        axes = [i for i in range(1, x.rank + 1) if i != axis]
    else:
        grouped = b.reshape(x, [x.shape[0], before, groups, channels // groups, after])
        axes = [1, 3, 4]
    centred = b.sub(grouped, b.reduce("Mean", grouped, axes, keep=True))
    variance = b.reduce("Mean", b.unary("Square", centred), axes, keep=True)
    result = b.mul(centred, b.unary("Rsqrt", b.add_(variance, c.number("epsilon", 1e-3))))
    result = b.reshape(result, sizes if x.shape.count(-1) > 1 else list(x.shape))
    spread = [channels] + [1] * (x.rank - 1 - axis)
    if c.has("gamma"):
        result = b.mul(result, c.constant("gamma", c.array("gamma").reshape(spread)))
    if c.has("beta"):
        result = b.add_(result, c.constant("beta", c.array("beta").reshape(spread)))
    return result


def _one(sizes: Sequence[int]) -> int:
    return -1 if -1 in sizes else int(np.prod(sizes, dtype=np.int64))


@layer("UnitNormalization", masking="pass")
def unit_normalization(c: Call) -> Tensor:
    """x of length 1 along ``axis``."""
    given = c.get("axis", -1)
    return l2_normalized(c, c.x, [given] if isinstance(given, int) else c.integers("axis"))


def l2_normalized(c: Call, x: Tensor, axes: Sequence[int]) -> Tensor:
    """x / sqrt(max(sum(x^2), 1e-12)) over axes."""
    total = c.b.reduce("Sum", c.b.unary("Square", x), axes, keep=True)
    return c.b.mul(x, c.b.unary("Rsqrt", c.b.binary("Maximum", total, 1e-12)))
