"""Shapes and values brought into the form that kernels take: broadcasting, scalars, axes, permutations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...dtypes import NUMPY
from ...errors import InvalidArgumentError
from .call import Call, Value


def axis_of(axis: int, rank: int) -> int:
    """``axis`` counted from the front; InvalidArgumentError when the rank has no such axis.

    >>> axis_of(-1, 3)
    2
    """
    if not -rank <= axis < rank:
        raise InvalidArgumentError(f"axis {axis} does not exist in a tensor of rank {rank}")
    return axis % rank


def reshape(call: Call, x: Value, shape: Sequence[int]) -> Value:
    """``x`` with another shape of as many elements; ``x`` itself when it has that shape."""
    if tuple(shape) == tuple(x.shape):
        return x
    return call.one("Reshape", {"x": x}, shape=list(shape))


def transpose(call: Call, x: Value, perm: Sequence[int]) -> Value:
    """``x`` with its axes in the order of ``perm``; ``x`` itself when that is its order."""
    if list(perm) == list(range(len(x.shape))):
        return x
    return call.one("Transpose", {"x": x}, perm=list(perm))


def broadcast_shape(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that ``shapes`` broadcast to; InvalidArgumentError when they do not.

    >>> broadcast_shape((3, 1), (4,))
    (3, 4)
    """
    rank = max(len(shape) for shape in shapes)
    result = []
    for axis in range(-rank, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        if len(sizes) > 1:
            listed = ", ".join(str(list(shape)) for shape in shapes)
            raise InvalidArgumentError(f"shapes {listed} cannot be broadcast together")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def broadcast(call: Call, x: Value, shape: Sequence[int]) -> Value:
    """``x`` repeated along axes of size 1 until it has ``shape``."""
    if tuple(x.shape) == tuple(shape):
        return x
    if broadcast_shape(x.shape, shape) != tuple(shape):
        raise InvalidArgumentError(f"shape {list(x.shape)} cannot be broadcast to {list(shape)}")
    padded = (1,) * (len(shape) - len(x.shape)) + tuple(x.shape)
    reps = [to if size == 1 else 1 for size, to in zip(padded, shape, strict=True)]
    padded_x = reshape(call, x, padded)
    return padded_x if set(reps) <= {1} else call.one("Tile", {"x": padded_x}, reps=reps)


def select(call: Call, condition: Value, t: Value, e: Value) -> Value:
    """``t`` where ``condition`` holds, else ``e``, after broadcasting the three; needs the kernels SELECT."""
    shape = broadcast_shape(condition.shape, t.shape, e.shape)
    return call.one(
        "Select",
        {
            "condition": broadcast(call, condition, shape),
            "t": broadcast(call, t, shape),
            "e": broadcast(call, e, shape),
        },
    )


SELECT = ("Select", "Tile", "Reshape")


def scalar_like(call: Call, number: float | bool, x: Value) -> Value:
    """A scalar in the dtype of ``x``."""
    return call.constant(np.array(number, NUMPY[x.dtype]))


def binary(call: Call, kernel: str, a: Value, b: Value) -> Value:
    """A kernel of two inputs ``a`` and ``b``."""
    return call.one(kernel, {"a": a, "b": b})


def unary(call: Call, kernel: str, x: Value) -> Value:
    """A kernel of one input ``x``."""
    return call.one(kernel, {"x": x})


def full(call: Call, shape: Sequence[int], value: float | bool | bytes, dtype: str) -> Value:
    """A tensor of one value everywhere; needs Fill."""
    if any(size < 0 for size in shape):
        raise InvalidArgumentError(f"a shape cannot hold negative sizes, got {list(shape)}")
    return call.one("Fill", {}, shape=list(shape), value=value, dtype=dtype)


def size_of(shape: Sequence[int]) -> int:
    """How many elements ``shape`` has."""
    return math.prod(shape)
