"""Layers that make one tensor of several."""

from __future__ import annotations

import math
from functools import reduce

from ...errors import ModelFormatError
from ..builder import Tensor
from ..call import Call
from ..registry import layer
from .normalization import l2_normalized


def _aligned(c: Call) -> list[Tensor]:
    """The inputs with axes of size 1 after the batch until all have the same rank."""
    rank = max(x.rank for x in c.inputs)
    aligned = []
    for x in c.inputs:
        given = x
        for _ in range(rank - x.rank):
            given = c.b.expand(given, 1)
        aligned.append(given)
    return aligned


def _merged_mask(c: Call) -> Tensor | None:
    """Keras 2: where every mask holds. Keras 3: where any does, and none unless all inputs have one."""
    masks = [x.mask for x in c.inputs if x.mask is not None]
    if not masks or (c.keras3 and len(masks) < len(c.inputs)):
        return None
    op = "LogicalOr" if c.keras3 else "LogicalAnd"
    return reduce(lambda a, b: a if a.edge == b.edge else c.b.binary(op, a, b), masks)


def _elementwise(c: Call, op: str) -> Tensor:
    result = reduce(lambda a, b: c.b.binary(op, a, b), _aligned(c))
    return result.masked(_merged_mask(c))


@layer("Add", masking="own", takes=None)
def add(c: Call) -> Tensor:
    """The sum."""
    return _elementwise(c, "AddV2")


@layer("Subtract", masking="own", takes=2)
def subtract(c: Call) -> Tensor:
    """The first less the second."""
    return _elementwise(c, "Sub")


@layer("Multiply", masking="own", takes=None)
def multiply(c: Call) -> Tensor:
    """The product."""
    return _elementwise(c, "Mul")


@layer("Average", masking="own", takes=None)
def average(c: Call) -> Tensor:
    """The mean."""
    total = _elementwise(c, "AddV2")
    return c.b.mul(total, 1 / len(c.inputs)).masked(total.mask)


@layer("Maximum", masking="own", takes=None)
def maximum(c: Call) -> Tensor:
    """The largest."""
    return _elementwise(c, "Maximum")


@layer("Minimum", masking="own", takes=None)
def minimum(c: Call) -> Tensor:
    """The smallest."""
    return _elementwise(c, "Minimum")


@layer("Concatenate", masking="own", takes=None)
def concatenate(c: Call) -> Tensor:
    """One after the other along ``axis``; the batch is no axis for it."""
    axis = c.integer("axis", -1)
    result = c.b.concat(c.inputs, axis)
    if all(x.mask is None for x in c.inputs):
        return result
    if axis % result.rank == 1 and all(x.mask is not None and x.mask.rank == 2 for x in c.inputs):
        return result.masked(c.b.concat([x.mask for x in c.inputs if x.mask is not None], 1))
    masks = []
    for x in c.inputs:
        ones = c.b.binary("Equal", c.b.unary("ZerosLike", x), 0.0)
        mask = x.mask
        if mask is not None:
            while mask.rank < x.rank:
                mask = c.b.expand(mask, -1)
            ones = c.b.binary("LogicalAnd", ones, mask)
        masks.append(ones)
    # Keras 2 wants all features of a step, Keras 3 any.
    return result.masked(c.b.reduce("Any" if c.keras3 else "All", c.b.concat(masks, axis), [-1]))


@layer("Dot", takes=2)
def dot(c: Call) -> Tensor:
    """The sum of products along an axis of each; ``normalize`` makes it the cosine."""
    x, y = c.inputs[:2]
    axes = c.integers("axes", 2)
    first, second = axes[0] % x.rank, axes[1] % y.rank
    if not first or not second:
        raise c.wrong("axes", "axes other than the batch", axes)
    if -1 not in (x.shape[first], y.shape[second]) and x.shape[first] != y.shape[second]:
        raise ModelFormatError(f"{c}: axes {axes} of shapes {list(x.shape)} and {list(y.shape)} have different sizes")
    if c.flag("normalize"):
        x, y = l2_normalized(c, x, [first]), l2_normalized(c, y, [second])
    x_rest = [axis for axis in range(1, x.rank) if axis != first]
    y_rest = [axis for axis in range(1, y.rank) if axis != second]
    sizes_x, sizes_y = c.b.sizes(x), c.b.sizes(y)
    # (batch, rest of x, summed) times (batch, summed, rest of y)
    left = _three(c, c.b.transpose(x, [0, *x_rest, first]), len(x_rest), last=True)
    right = _three(c, c.b.transpose(y, [0, second, *y_rest]), len(y_rest), last=False)
    product = c.b.matmul(left, right)
    kept = [sizes_x[axis] for axis in x_rest] + [sizes_y[axis] for axis in y_rest]
    # Two vectors give one number for each sample: (batch, 1).
    return c.b.reshape(product, [sizes_x[0], *(kept or [1])])


def _three(c: Call, x: Tensor, rest: int, last: bool) -> Tensor:
    """x with its ``rest`` axes as one; the summed axis is the last or the second."""
    if rest == 1:
        return x
    sizes = c.b.sizes(x)
    inner = x.shape[1:-1] if last else x.shape[2:]
    middle = math.prod(inner) if -1 not in inner else -1
    summed = sizes[-1] if last else sizes[1]
    return c.b.reshape(x, [sizes[0], middle, summed] if last else [sizes[0], summed, middle])
